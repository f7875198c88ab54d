"""How values are shown: percentages with their unit, every other metric as a plain number."""

from __future__ import annotations

import pytest

from sweeps.formatting import metric_format, unit_of
from sweeps.study.sections import Metric


@pytest.mark.parametrize(
    ("name", "percentages", "unit"),
    [
        ("val_accuracy", ["accuracy"], "%"),
        ("accuracy", ["accuracy"], "%"),
        ("val_coarse_accuracy", ["accuracy"], "%"),
        ("val_inaccuracy", ["accuracy"], ""),
        ("val_accuracy", [], ""),
        ("val_error", ["val_error"], "%"),
        ("train_error", ["val_error"], ""),
    ],
)
def test_metric_is_in_percent_if_the_workload_names_it(name: str, percentages: list[str], unit: str) -> None:
    assert unit_of(name, percentages) == unit


@pytest.mark.parametrize(
    ("name", "value", "shown", "difference"),
    [
        ("val_loss", 0.00012, "0.00012", "+0.00012"),
        ("val_loss", 1.23456e-7, "1.235e-7", "+1.235e-7"),
        ("val_loss", 2.345678, "2.346", "+2.346"),
        ("val_loss", -0.5, "-0.5", "-0.5"),
        ("val_accuracy", 0.93214, "0.9321", "+0.9321"),
        ("perplexity", 123456.7, "1.235e5", "+1.235e5"),
    ],
)
def test_metric_without_a_unit_has_four_significant_digits(
    name: str, value: float, shown: str, difference: str
) -> None:
    words = metric_format(Metric(name=name, goal="minimize"), [])
    assert (words.show(value), words.difference(value)) == (shown, difference)
    assert words.gap(value, 0.0).strip("-") in shown


def test_percentages_have_two_decimals_and_differ_in_points() -> None:
    words = metric_format(Metric(name="val_accuracy", goal="maximize"), ["accuracy"])
    assert (words.show(93.214), words.difference(-0.5), words.axis) == (
        "93.21 %",
        "-0.50 pp",
        "validation accuracy (%)",
    )
