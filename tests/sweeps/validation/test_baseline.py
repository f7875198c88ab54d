"""The settings of the baseline against the recipe."""

from __future__ import annotations

import pytest

from tests.sweeps.validation.blobs import SEARCH, report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("baseline:\n  optimizer:\n    rl: 3\n", "s.yaml:10: baseline.optimizer.rl: unknown setting 'optimizer.rl'"),
        (
            "baseline: {optimizer: {momentm: 3}}",
            "did you mean 'optimizer.momentum'? valid: optimizer.name",
        ),
        ("baseline: {lr: 3}", "unknown setting 'lr'; did you mean 'optimizer.lr'? valid: data, model, optimizer"),
        ("baseline: {optimizer.lr: 3}", "write it in its section: optimizer: {lr: …}"),
        ("baseline:\n  epochs: 0\n", "s.yaml:9: baseline.epochs: must be greater than or equal to 1 but got 0"),
        ("baseline: {epochs: ten}", "baseline.epochs: must be a valid integer but got 'ten'"),
        ("baseline: {model: {widths: [8, x]}}", "baseline.model.widths.1: must be a valid integer but got 'x'"),
        ("baseline: {model: {widths: [8]}}", "baseline.model: widths has 1 stages but blocks has 2"),
        ("baseline: {model: 3}", "baseline.model: "),
    ],
)
def test_mistakes_of_the_baseline_name_line_and_rule(text: str, expected: str) -> None:
    assert expected in report(SEARCH + text + "\n")
