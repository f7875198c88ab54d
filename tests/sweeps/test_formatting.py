"""How values are shown: percentages with their unit, every other metric as a plain number."""

from __future__ import annotations

import pytest

from sweeps.formatting import device_amount, device_time, device_time_range, metric_format, unit_of
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


@pytest.mark.parametrize(
    ("hours", "device", "shown", "amount"),
    [
        (0.0, "cpu", "0 s of CPU time", "0 s"),
        (1.3e-5, "cpu", "47 ms of CPU time", "47 ms"),
        (1e-7, "cpu", "less than 1 ms of CPU time", "less than 1 ms"),
        (4 / 3600, "cpu", "4.0 s of CPU time", "4.0 s"),
        (200 / 3600, "cuda", "3 min 20 s of GPU time", "3 min 20 s"),
        (0.12, "cpu", "0.12 CPU-hours", "0.12 h"),
        (1234.56, "mps", "1,234.6 GPU-hours", "1,234.6 h"),
    ],
)
def test_device_time_is_a_duration_below_a_tenth_of_an_hour(hours: float, device: str, shown: str, amount: str) -> None:
    assert device_time(hours, device) == shown
    assert device_amount(hours) == amount


def test_forecast_of_device_time_has_the_unit_of_its_likely_value() -> None:
    assert device_time_range(20 / 3600, 40 / 3600, 0.2, "cpu") == "40 s (20 s to 0.20 h) of CPU time"
    assert device_time_range(2, 3.4, 12.3, "cuda") == "3.40 (2.00 to 12.3) GPU-hours"
    assert device_time_range(2, 2, 2, "cuda") == "2.00 GPU-hours"
