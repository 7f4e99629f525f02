"""Conformance laws: what every model must obey, for plugin authors to run on theirs.

In a plugin's own tests::

    @pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
    def test_law(law):
        verdict = judge(law, Case(SPEC, dataset))
        assert verdict.outcome != "broken", verdict.message
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gengauge.data import Dataset
from gengauge.errors import UnsupportedError
from gengauge.parameters import Value
from gengauge.specs import ModelSpec
from gengauge.testing.behaviour import (
    budget_in_seconds_is_obeyed,
    budget_in_steps_is_obeyed,
    capabilities_are_declared,
    conditional_samples_answer_their_conditions,
    fit_is_deterministic,
    global_randomness_is_untouched,
    held_back_split_is_not_read,
    known_values_stay,
    samples_follow_the_generator,
    samples_look_like_data,
    sampling_changes_nothing,
    saving_keeps_the_model,
)
from gengauge.testing.case import Case, LawBroken, NotApplicable
from gengauge.testing.classes import class_likelihood_sums_to_one, labels_go_with_their_rows
from gengauge.testing.flaws import broken_data_is_refused, poor_data_is_survived
from gengauge.testing.killed import training_goes_on
from gengauge.testing.latent import (
    bound_stays_below_one,
    decoder_agrees_with_inference,
    decoder_is_a_distribution,
    diffusion_is_a_chain,
    flow_is_a_field,
)
from gengauge.testing.probability import (
    density_integrates_to_one,
    likelihood_ignores_the_batch,
    mass_sums_to_one,
)

__all__ = ["LAWS", "Case", "LawBroken", "NotApplicable", "Verdict", "check_model", "judge"]

Law = Callable[[Case], None]
LAWS: tuple[Law, ...] = (
    capabilities_are_declared, samples_look_like_data, fit_is_deterministic,
    samples_follow_the_generator, sampling_changes_nothing, saving_keeps_the_model,
    budget_in_steps_is_obeyed, budget_in_seconds_is_obeyed, training_goes_on,
    held_back_split_is_not_read,
    global_randomness_is_untouched, conditional_samples_answer_their_conditions,
    known_values_stay, likelihood_ignores_the_batch, density_integrates_to_one, mass_sums_to_one,
    class_likelihood_sums_to_one, labels_go_with_their_rows,
    decoder_is_a_distribution, decoder_agrees_with_inference,
    bound_stays_below_one, diffusion_is_a_chain, flow_is_a_field,
    broken_data_is_refused, poor_data_is_survived,
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """How one law went: ``held``, ``broken`` or ``skipped``, and why."""

    law: str
    outcome: str
    message: str = ""


def check_model(
    spec: ModelSpec,
    dataset: Dataset,
    parameters: Mapping[str, Value] | None = None,
    budget: str = "12 steps",
) -> list[Verdict]:
    """Return the verdict of every law on the model that ``spec`` describes."""
    case = Case(spec, dataset, parameters or {}, budget)
    return [judge(law, case) for law in LAWS]


def judge(law: Law, case: Case) -> Verdict:
    """Return how one law went; whatever a plugin raises, it is broken."""
    try:
        law(case)
    except NotApplicable as reason:
        return Verdict(law.__name__, "skipped", str(reason))
    except UnsupportedError as reason:
        return Verdict(law.__name__, "skipped", f"unsupported: {reason}")
    except LawBroken as failure:
        return Verdict(law.__name__, "broken", str(failure))
    except Exception as error:  # a plugin may raise anything
        return Verdict(law.__name__, "broken", f"{type(error).__name__}: {error}")
    return Verdict(law.__name__, "held")
