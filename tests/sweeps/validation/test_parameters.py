"""The searched parameters and toggles against the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from sweeps.study.document import from_text
from sweeps.validation.checks import accept
from sweeps.workload import Run
from tests.sweeps.validation.blobs import HEAD, SEARCH, report


@dataclass(frozen=True)
class Open:
    """A recipe with a setting that takes any mapping."""

    options: dict[str, Any] = field(default_factory=dict)
    lr: float = 0.1


def opened(recipe: Open, run: Run) -> Iterator[dict[str, float]]:
    """Train nothing: a workload whose recipe is `Open`."""
    yield {"val_accuracy": 1.0}


def test_a_setting_that_is_a_mapping_has_no_unknown_keys() -> None:
    text = HEAD.replace("tests.sweeps.recipes:blobs", f"{__name__}:opened") + (
        "parameters:\n  options: {values: [{a: 1}, {a: 2, b: [x, 1]}]}\n"
        "ablation: {components: {c: {options: {c: {d: 3}}}}, seeds: 6}\n"
    )
    study, _ = accept(from_text(text, "s.yaml"))
    assert list(study.space.grid()) == [{"options": {"a": 1}}, {"options": {"a": 2, "b": ["x", 1]}}]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("optimizer.rate: {min: 0.1, max: 0.5}", "s.yaml:8: parameters.optimizer.rate: unknown setting"),
        ("optim.lr: {min: 0.1, max: 0.5}", "did you mean 'optimizer.lr'?"),
        ("optimiser: {values: [1, 2]}", "did you mean 'optimizer'? valid: data, model, optimizer"),
        ("optimizer.name: {values: [sgd, lion]}", "s.yaml:8: parameters.optimizer.name.values.1: must be 'sgd' or"),
        ("optimizer.momentum: {min: 0.5, max: 1.0}", "momentum.max: must be less than 1 but got 1.0"),
        ("optimizer.momentum: {min: -0.5, max: 0.5}", "momentum.min: must be greater than or equal to 0 but got -0.5"),
        ("optimizer.momentum: {value: 2}", "momentum.value: must be less than 1"),
        ("optimizer.momentum: {min: 0, max: 1}", "momentum.min: whole bounds search whole numbers only"),
        ("optimizer.momentum: {min: 0, max: 1}", "write min: 0.0, or distribution: uniform"),
        ("batch_size: {min: 8.0, max: 64.0}", "the recipe takes integers only: write distribution: int_uniform"),
        (
            "batch_size: {distribution: log_uniform_values, min: 8, max: 64}",
            "batch_size.distribution: the recipe takes integers only: write distribution: q_log_uniform_values with q",
        ),
        ("batch_size: {min: 0.5, max: 2.0, q: 0.5, distribution: q_uniform}", "a whole q with whole bounds"),
        ("batch_size: {values: [8, 16.5]}", "batch_size.values.1: must be a valid integer but got 16.5"),
        (
            "batch_size: {values: [8, '1e2']}",
            "must be a valid integer but got '1e2'; this is text: write 1e2, without quotes",
        ),
        (
            "optimizer.momentum: {min: '0.1', max: 1.0}",
            "must be a number but got '0.1'; this is text: write 0.1, without quotes",
        ),
        (
            "optimizer.momentum: {values: [None, 0.1]}",
            "a valid number but got 'None'; this is text: write null, without quotes",
        ),
        (
            "optimizer.momentum: {values: ['${rate}', 0.1]}",
            "got '${rate}'; ${…} is not filled in: write the value itself",
        ),
        ("model.widths: {values: ['[8, 8]', [4, 4]]}", "a list but got '[8, 8]'; this is text: write [8, 8], without"),
        ("model.widths: {values: [(8, 8), [4, 4]]}", "a list but got '(8'; a list is written in brackets: [8, 16]"),
        ("model: {values: [{widths: [8, 8]}, {width: [4, 4]}]}", "values.1.width: unknown setting 'model.width'"),
        ("model: {values: [{dropout: 0.1}, {dropout: 2}]}", "values.1: dropout: must be less than 1 but got 2"),
        ("model: {values: [3, 4]}", "parameters.model.values.0: "),
        ("toggle.relu: {values: [true, false]}", "unknown setting 'toggle.relu'"),
    ],
)
def test_mistakes_of_a_parameter_name_value_and_way_out(words: str, expected: str) -> None:
    assert expected in report(SEARCH + f"  {words}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("toggles: [relu, momentun]", "s.yaml:6: toggles.1: unknown toggle 'momentun'; did you mean 'momentum'? valid"),
        ("toggles: [dropout]", "toggles.0: dropout changes nothing: the baseline already has model.dropout = 0.0"),
        (
            "toggles: [momentum]\nparameters: {optimizer.momentum: {min: 0.5, max: 0.9}}",
            "momentum sets optimizer.momentum, but optimizer.momentum is searched too",
        ),
        (
            "toggles: [relu]\nparameters: {model: {values: [{dropout: 0.1}, {dropout: 0.2}]}}",
            "relu sets model.activation, but model is searched too",
        ),
    ],
)
def test_mistakes_of_toggles_name_toggle_and_rule(text: str, expected: str) -> None:
    assert expected in report(text + "\n" if "parameters" in text else f"{text}\n{SEARCH}")
