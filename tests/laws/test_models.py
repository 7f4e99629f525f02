"""Every registered model obeys every law, on levelled and on continuous data."""

from functools import cache

import pytest

from gengauge import Dataset
from gengauge.parameters import Value
from gengauge.registry import Registry, load_target
from gengauge.testing import LAWS, Case, judge
from gengauge.testing.devices import loading_goes_to_the_device
from gengauge.testing.killed import training_goes_on
from gengauge.testing.worlds import PAIR, SYLLABLES

REGISTRY = Registry()
# Two spaces are small enough to enumerate, so that the laws on masses have something to say.
REAL = ("digits", "points/moons", "table/breast-cancer", "text/devils-dictionary")
SPECS = {"pair": PAIR, "syllable": SYLLABLES, **{id_: REGISTRY.datasets[id_] for id_ in REAL}}
# settings that make another model of a family, each on the data where it could go wrong
VARIANTS: tuple[tuple[str, dict[str, Value], tuple[str, ...]], ...] = (
    ("gmm", {"conditional": True}, ("pair", "digits", "points/moons")),
    ("gmm", {"components": 0, "covariance": "tied", "engine": "torch"}, ("points/moons",)),
    ("gmm", {"subspace": 1}, ("points/moons",)),
    ("gmm", {"subspace": 10, "conditional": True, "covariance": "diag"}, ("digits",)),
    ("autoencoder", {"noise": 1.5}, ("digits", "points/moons")),
    ("autoencoder", {"network": "conv", "noise": 1.5}, ("digits",)),
    ("vae", {"conditional": True}, ("pair", "digits", "points/moons")),
    ("vae", {"mixtures": 3}, ("pair",)),
    ("vae", {"network": "conv", "width": 8}, ("digits",)),
    ("iwae", {"conditional": True, "k": 3}, ("pair",)),
    ("flow", {"conditional": True, "noise": "variational"}, ("pair",)),
    ("flow", {"conditional": True, "kind": "maf"}, ("points/moons",)),
    (
        "flow",
        {"conditional": True, "kind": "glow", "noise": "variational", "width": 8},
        ("digits",),
    ),
    ("flow", {"kind": "nsf-ar", "transforms": 2, "preprocess": "logit"}, ("pair",)),
    ("continuous-flow", {"conditional": True}, ("points/moons",)),
    ("gan", {"loss": "hinge", "spectral_norm": True}, ("points/moons",)),
    ("gan", {"loss": "wgan-gp"}, ("points/moons",)),
    ("cgan", {"network": "conv"}, ("digits",)),
    ("cgan", {"condition": "caption", "hidden": 32}, ("pair",)),
    ("autoregressive", {"conditional": True}, ("pair", "digits")),
    ("autoregressive", {"kind": "pixelcnn", "output": "logistics"}, ("pair", "digits")),
    ("ddpm", {"conditional": True, "guidance": 2.0}, ("pair", "points/moons")),
    ("ddpm", {"conditional": True, "guidance_kind": "classifier", "hidden": 64}, ("digits",)),
    ("flow-matching", {"conditional": True, "coupling": "ot", "guidance": 2.0}, ("digits",)),
    ("schroedinger-bridge", {"conditional": True, "sampler": "ode"}, ("points/moons",)),
    ("latent-diffusion", {"condition": "caption"}, ("pair",)),
    ("latent-diffusion", {"condition": "class", "first_stage": "vq"}, ("digits",)),
    ("vqgan", {"condition": "caption", "decode": "sample"}, ("pair",)),
    ("vqgan", {"condition": "class"}, ("digits",)),
)
# laws look at no sample's quality, and each of its samples is a search of many steps
SHORTER: dict[str, dict[str, Value]] = {"vqgan-clip": {"steps": 2, "candidates": 32}}
PAIRS = [
    (model.id, SHORTER.get(model.id, {}), dataset)
    for model in REGISTRY.models.values()
    for dataset in SPECS
    if not model.takes_path and not model.fits(SPECS[dataset])  # tests/plugins/test_brought_*
] + [(model, given, dataset) for model, given, datasets in VARIANTS for dataset in datasets]


def named(pair: tuple[str, dict[str, Value], str]) -> str:
    model, given, dataset = pair
    return "-".join([model, *(f"{k}={v}" for k, v in given.items()), dataset])


@cache
def dataset(id_: str) -> Dataset:
    return load_target(SPECS[id_].target)(SPECS[id_])


@pytest.fixture(scope="module", params=PAIRS, ids=named)
def case(request) -> Case:
    model, given, data = request.param
    return Case(REGISTRY.models[model], dataset(data), given)


def excused(law: str, case: Case) -> bool:
    """Whether the specs alone say that a law does not apply: none is skipped by mistake."""
    can, data = set(case.spec.capabilities), case.dataset
    exact = "density" in can or ("mass" in can and data.levels is not None)
    taken = case.spec.takes(case.spec.resolve(case.parameters))
    classes = data.train.labels is not None and "class" in taken
    asked = {
        "class": data.validation.labels, "caption": data.validation.captions,
        "prefix": data.validation.x if data.modality == "text" else None,
    }  # fmt: skip
    small = data.levels is not None and data.levels**data.dimensions <= 5000
    within = {c for c in can if c.startswith("class-")} if classes else set()
    flat = data.dimensions == 2 and "class-density" in within
    return {
        "sampling_changes_nothing": not exact,
        "known_values_stay": "inpainter" not in can,
        "conditional_samples_answer_their_conditions": all(asked[kind] is None for kind in taken),
        "likelihood_ignores_the_batch": not exact and "latent-variable" not in can,
        "density_integrates_to_one": "density" not in can or data.dimensions != 2,
        "mass_sums_to_one": not small or not can & {"mass", "latent-variable"},
        "class_likelihood_sums_to_one": not flat and not (small and within - {"class-density"}),
        "labels_go_with_their_rows": not within,
        "decoder_is_a_distribution": "latent-decoder" not in can,
        "decoder_agrees_with_inference": not small
        or not can >= {"observation-model", "latent-variable"},
        "bound_stays_below_one": not small or "variational-bound" not in can,
        "diffusion_is_a_chain": "gaussian-diffusion" not in can,
        "flow_is_a_field": "probability-flow" not in can,
        "broken_data_is_refused": case.spec.control,
        "poor_data_is_survived": case.spec.control,
    }.get(law, False)


# going on where training was killed is slow to judge: test_resumption does, once a family
@pytest.mark.parametrize(
    "law", [law for law in LAWS if law is not training_goes_on], ids=lambda law: law.__name__
)
def test_law(law, case):
    verdict = judge(law, case)
    if law is loading_goes_to_the_device and verdict.outcome == "skipped":
        assert "there is no accelerator here" in verdict.message
        return
    expected = "skipped" if excused(law.__name__, case) else "held"
    assert verdict.outcome == expected, verdict.message
