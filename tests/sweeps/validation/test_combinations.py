"""Combinations of settings that the recipe refuses."""

from __future__ import annotations

import pytest

from sweeps.study.document import from_text
from sweeps.study.problems import StudyError
from sweeps.validation.checks import accept
from sweeps.validation.combinations import SAMPLE
from tests.sweeps.validation.blobs import HEAD, SEARCH, report, valid


def test_a_refused_combination_is_reduced_to_the_settings_at_fault() -> None:
    text = SEARCH + "  optimizer.name: {values: [sgd, adam]}\n  model.blocks: {values: [[1, 1], [1, 1, 1]]}\n"
    mistakes = report(text)
    assert (
        "s.yaml:9: parameters.model.blocks: the recipe refuses model.blocks = [1, 1, 1]: model: widths has 2"
        in mistakes
    )
    assert "(4 of 8 combinations)" in mistakes  # both ends of lr, two names, one of two blocks
    assert len(mistakes.splitlines()) == 1


def test_settings_that_need_each_other_pass_under_a_condition_or_coupled() -> None:
    widths = "  model.widths: {values: [[8], [8, 8]]}\n"
    assert "refuses model.widths = [8]" in report("parameters:\n" + widths)
    coupled = "  model.widths: {values: [[8], [8, 8]]}\n"
    coupled += "  model.blocks: {value: [2], when: {model.widths: [[8]]}}\n"
    assert valid("parameters:\n" + coupled).space.size == 2


def test_a_toggle_takes_part_in_combinations() -> None:
    name = HEAD.replace("recipes:blobs", "recipes:relu_blobs")
    text = name + "toggles: [relu]\nparameters: {model.dropout: {values: [0.0, 0.5]}}\n"
    with pytest.raises(StudyError, match=r"refuses model\.dropout = 0\.5, toggle\.relu = False: dropout needs relu"):
        accept(from_text(text, "s.yaml"))


def test_a_large_space_is_sampled() -> None:
    many = ", ".join(str(number / 100) for number in range(60))
    text = f"parameters:\n  model.dropout: {{values: [{many}]}}\n  optimizer.momentum: {{values: [{many}]}}\n"
    text += "  model.blocks: {values: [[1, 1], [1, 1, 1]]}\n"
    assert f"of {SAMPLE} combinations" in report(text)


def test_combinations_wait_until_the_grammar_stands() -> None:
    text = "parameters:\n  model.widths: {values: [[8], [8, 8]]}\n"
    text += "  model.blocks: {value: [2], when: {model.widths: [[8]]}}\nseed: -1\n"
    with pytest.raises(StudyError) as caught:
        accept(from_text(HEAD + text, "s.yaml"))
    assert [mistake.key for mistake in caught.value.mistakes] == ["seed"]
