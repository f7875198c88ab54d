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
        ("baseline: {model: 3}", "baseline.model: must be a mapping of settings but got 3"),
        ("baseline: {optimizer: sgd}", "must be a mapping of settings but got 'sgd'; write {name: sgd}"),
        ("baseline: {model: None}", "must be a mapping of settings but got 'None'; this is text: write null"),
    ],
)
def test_mistakes_of_the_baseline_name_line_and_rule(text: str, expected: str) -> None:
    assert expected in report(SEARCH + text + "\n")


@pytest.mark.parametrize("settings", ["{optimizer.lr: 3}", "{optimizer: {decay.rate: 3}}", "{model: {hidden: 3}}"])
def test_an_unknown_or_dotted_key_is_one_mistake(settings: str) -> None:
    assert len(report(f"{SEARCH}baseline: {settings}\n").splitlines()) == 1
