"""The laws of models, in the order in which a broken one explains the next."""

from __future__ import annotations

from gengauge.testing.behaviour import (
    budget_in_seconds_is_obeyed,
    budget_in_steps_is_obeyed,
    capabilities_are_declared,
    conditional_samples_answer_their_conditions,
    fit_is_deterministic,
    global_randomness_is_untouched,
    held_back_split_is_not_read,
    it_can_be_fitted,
    known_values_stay,
    samples_follow_the_generator,
    samples_look_like_data,
    sampling_changes_nothing,
    saving_keeps_the_model,
    training_data_is_left_alone,
)
from gengauge.testing.classes import class_likelihood_sums_to_one, labels_go_with_their_rows
from gengauge.testing.devices import loading_goes_to_the_device
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
from gengauge.testing.verdicts import Law

LAWS: tuple[Law, ...] = (
    it_can_be_fitted,
    capabilities_are_declared, samples_look_like_data, fit_is_deterministic,
    samples_follow_the_generator, sampling_changes_nothing, saving_keeps_the_model,
    training_data_is_left_alone, loading_goes_to_the_device,
    budget_in_steps_is_obeyed, budget_in_seconds_is_obeyed, training_goes_on,
    held_back_split_is_not_read,
    global_randomness_is_untouched, conditional_samples_answer_their_conditions,
    known_values_stay, likelihood_ignores_the_batch, density_integrates_to_one, mass_sums_to_one,
    class_likelihood_sums_to_one, labels_go_with_their_rows,
    decoder_is_a_distribution, decoder_agrees_with_inference,
    bound_stays_below_one, diffusion_is_a_chain, flow_is_a_field,
    broken_data_is_refused, poor_data_is_survived,
)  # fmt: skip
