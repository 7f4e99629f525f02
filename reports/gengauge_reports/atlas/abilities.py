"""What a model can do: as its plugin states it, and its likelihood by the kind of its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gengauge.gather import Trial
from gengauge_reports.atlas.ways import Chart

# what it says to a reader, and which capabilities or conditions amount to it
SKILLS: tuple[tuple[str, frozenset[str]], ...] = (
    ("draws a class", frozenset({"class"})),
    ("draws a caption", frozenset({"caption"})),
    ("goes on with text", frozenset({"prefix"})),
    ("writes captions", frozenset({"captioner"})),
    ("encodes", frozenset({"encoder"})),
    ("reconstructs", frozenset({"reconstructor"})),
    ("removes noise", frozenset({"denoiser"})),
    ("fills holes", frozenset({"inpainter"})),
    ("classifies", frozenset({"classifier"})),
    ("clusters", frozenset({"clusterer"})),
    ("variable steps", frozenset({"steps"})),
)
# a score that only who has the skill can get: where no record has it, the skill is not there
SHOWN_BY = {
    "writes captions": "caption_accuracy", "encodes": "code_size",
    "reconstructs": "reconstruction_mse", "removes noise": "psnr", "classifies": "accuracy",
    "clusters": "ari",
}  # fmt: skip
CODE_LENGTHS = ("bits_per_dim", "nll", "bits_per_char", "ode_bits_per_dim", "ode_nll")
LIKELIHOODS = {"exact": "exact", "upper_bound": "bound", "lower_bound": "bound",
               "estimate": "estimate"}  # fmt: skip
NONE = "none"


@dataclass(frozen=True)
class Abilities:
    """What one model can do; ``likelihood`` is exact, bound, estimate or none, by dataset."""

    likelihood: dict[str, str]
    skills: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """What is known of its likelihood on one dataset or another, the strongest first."""
        order = ("exact", "bound", "estimate")
        return [k for k in order if k in self.likelihood.values()] or [NONE]


def abilities(label: str, charts: Sequence[Chart]) -> Abilities:
    """Return what the records say of the model called ``label``."""
    skills: set[str] = set()
    kinds: dict[str, str] = {}
    tried: dict[str, bool] = {}
    for chart in charts:
        row = chart.row(label)
        for trial in row.trials if row else ():
            for part in ("capabilities", "conditions"):
                skills |= {s for s in trial.model.get(part) or () if isinstance(s, str)}
            if trial.ok:
                kinds.setdefault(chart.name, _kind(trial))
            for score in trial.record["scores"]:
                tried[score["metric"]] = (
                    tried.get(score["metric"], False) or score.get("value") is not None
                )
    found = [name for name, ids in SKILLS if ids & skills]
    return Abilities(kinds, tuple(n for n in found if tried.get(SHOWN_BY.get(n, ""), True)))


def _kind(trial: Trial) -> str:
    """Return of what kind the model's code length of held-out data is, the strongest there is."""
    known = {s["metric"]: s for s in trial.record["scores"] if s.get("value") is not None}
    best = next((m for m in CODE_LENGTHS if m in known), None)
    return LIKELIHOODS.get(str(known[best].get("kind")), NONE) if best else NONE
