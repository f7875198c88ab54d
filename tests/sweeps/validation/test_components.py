"""The components of an ablation against the recipe."""

from __future__ import annotations

import pytest

from tests.sweeps.validation.blobs import SEARCH, report


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "ablation: {components: [rely], seeds: 6}",
            "ablation.components.0: unknown toggle 'rely'; did you mean 'relu'?",
        ),
        (
            "ablation:\n  seeds: 6\n  components:\n    a: {model.norm: none}",
            "s.yaml:9: ablation.components.a.model.norm: unknown setting 'model.norm'",
        ),
        (
            "ablation: {seeds: 6, components: {a: {model.activation: gelu}}}",
            "ablation.components.a.model.activation: must be 'relu' or 'identity' but got 'gelu'",
        ),
        (
            "ablation: {seeds: 6, components: {a: {model: {norm: none}}}}",
            "components.a.model.norm: unknown setting 'model.norm'",
        ),
    ],
)
def test_mistakes_of_components_name_component_and_rule(text: str, expected: str) -> None:
    assert expected in report(f"{text}\n{SEARCH}")


def test_scaling_to_fit_needs_a_workload_that_scales() -> None:
    ablation = "ablation: {components: [relu], seeds: 6, over_budget: shrink}\n"
    lacking = "ablation.over_budget: workload tests.sweeps.recipes:blobs cannot scale widths: it has no 'scale'"
    assert lacking in report(SEARCH + ablation)
