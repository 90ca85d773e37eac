"""Whether training works, as one can see it: a run on the mini model learns an individual that it has never seen.

Each threshold is far from what the unbroken method reaches over several seeds, and from what a fault leaves of it;
docs/quality.md has both, and tests/quality/breaks.py repeats them.
"""

import pytest

from tests.quality.reports import Report

pytestmark = pytest.mark.slow


def test_concept_fidelity_the_trigger_word_paints_the_mascot(report: Report) -> None:
    assert report.run.concept > 0.45


def test_concept_fidelity_is_far_above_the_base_models(report: Report) -> None:
    assert report.run.concept - report.base.concept > 0.3


def test_concept_fidelity_is_above_that_of_shuffled_captions(report: Report) -> None:
    """There, every third photo under the trigger word is of another individual."""
    assert report.run.concept - report.shuffled.concept > 0.1


def test_concept_fidelity_the_new_tokens_carry_a_part_of_it_by_themselves(report: Report) -> None:
    assert report.learned_by_tokens("high") > 0.015


def test_concept_fidelity_it_is_learned_at_high_noise_where_forms_are_decided(report: Report) -> None:
    assert report.learned("high") > 0.1


def test_concept_fidelity_it_is_learned_at_low_noise_where_details_are_decided(report: Report) -> None:
    assert report.learned("low") > 0.05


def test_prompt_fidelity_the_background_is_as_asked_nearly_as_often_as_before(report: Report) -> None:
    assert report.run.background > 0.8 * report.base.background


def test_prompt_fidelity_the_place_is_as_asked_nearly_as_often_as_before(report: Report) -> None:
    assert report.run.place > 0.7 * report.base.place


def test_prompt_fidelity_is_above_that_of_shuffled_captions(report: Report) -> None:
    assert report.run.background - report.shuffled.background > 0.4


def test_prompt_fidelity_the_right_words_are_heeded(report: Report) -> None:
    """They predict the noise of held-back drawings better than another drawing's words."""
    assert report.heeded("high") > 0.2


def test_prompt_fidelity_training_reads_captions_as_painting_reads_prompts(report: Report) -> None:
    assert report.out_of_step("low") < 0.0005


def test_class_drift_other_individuals_are_not_the_mascot(report: Report) -> None:
    assert report.run.leak - report.base.leak < 0.15


def test_class_drift_other_individuals_still_differ(report: Report) -> None:
    assert report.run.variety > 0.7 * report.base.variety


def test_class_drift_other_individuals_are_still_monsters(report: Report) -> None:
    assert report.run.monster > 0.7 * report.base.monster
