"""Controls: rows that need no training and show where a metric is blind."""

from __future__ import annotations

from gengauge import ModelSpec, Parameter, hookimpl

_AMOUNT = Parameter(
    "amount", 0.1, minimum=0,
    doc="chance that a level moves by one; on points the noise's share of the deviation",
)  # fmt: skip

_KINDS = ("class", "caption")  # no validation text goes on from a test text's beginning
_OR_BEGINNINGS = (*_KINDS, "prefix")


def _spread(factor: float) -> Parameter:
    return Parameter("spread", factor, "factor on the distance to the mean", minimum=0)


def _control(
    id_: str,
    target: str,
    summary: str,
    *,
    parameters: tuple[Parameter, ...] = (),
    capabilities: tuple[str, ...] = (),
    needs_truth: bool = False,
    reference: str = "",
    conditions: tuple[str, ...] = _KINDS,
    text: bool = False,  # tokens have no neighbours to blur into, and no mean
) -> ModelSpec:
    return ModelSpec(
        id=id_, family="control", summary=summary, reference=reference, control=True,
        target=f"gengauge_plugins.controls.{target}",
        modalities=("image", "points", "table", *(("text",) if text else ())),
        parameters=parameters, capabilities=capabilities, needs_truth=needs_truth,
        conditions=conditions,
        budget="1 steps",
    )  # fmt: skip


def _anchors() -> list[ModelSpec]:
    """Return the two ends of every scale, and the truth where it is known."""
    return [
        _control("real", "anchors:Real", text=True, summary=
                 "Held-out real data (the validation split), for a caption that is not there the "
                 "nearest one's: what a perfect model would score"),
        _control("truth", "anchors:Truth",
                 "The data's own known density: no likelihood can be better on average",
                 capabilities=("density",), needs_truth=True, conditions=()),
        _control("noise", "anchors:Noise", text=True, conditions=_OR_BEGINNINGS, summary=
                 "Uniform noise, whatever is asked for: the zero of every scale; entropy alone "
                 "mistakes it for diversity",
                 capabilities=("density", "mass")),
    ]  # fmt: skip


def _copies() -> list[ModelSpec]:
    """Return the controls that replay training data."""
    meehan = ("Meehan et al. 2020, A Non-Parametric Test to Detect Data-Copying in Generative "
              "Models, https://arxiv.org/abs/2004.05675")  # fmt: skip
    return [
        _control("copycat", "copies:Copycat", reference=meehan, text=True,
                 conditions=_OR_BEGINNINGS,
                 summary="Replays training data: FD, precision and recall take it for real"),
        _control("copycat-noise", "copies:NoisyCopycat", reference=meehan,
                 summary="Copies with a little noise: hides from tests that look for exact copies",
                 parameters=(_AMOUNT,)),
        _control("half-copycat", "copies:HalfCopycat", reference=meehan, text=True,
                 conditions=_OR_BEGINNINGS,
                 summary="Half copies, half noise: too near and too far cancel in C_T"),
    ]  # fmt: skip


def _distortions() -> list[ModelSpec]:
    """Return the controls that get the spread of the data wrong."""
    naeem = ("Naeem et al. 2020, Reliable Fidelity and Diversity Metrics for Generative Models, "
             "https://arxiv.org/abs/2002.09797")  # fmt: skip
    return [
        _control("narrow", "copies:Rescaled", reference=naeem,
                 summary="Copies drawn in to 0.7 of their spread: precision and FLD can prefer it",
                 parameters=(_spread(0.7),)),
        _control("wide", "copies:Rescaled", reference=naeem,
                 summary="Copies pushed out to 1.3 of their spread: recall does not notice",
                 parameters=(_spread(1.3),)),
        _control("collapsed", "copies:Collapsed", reference=naeem,
                 summary="One training example's close neighbourhood (one for each class or "
                 "caption asked for): precision and class accuracy do not notice",
                 parameters=(_AMOUNT,)),
    ]  # fmt: skip


@hookimpl
def gengauge_models() -> list[ModelSpec]:
    """Return the calibration rows."""
    return _anchors() + _copies() + _distortions()
