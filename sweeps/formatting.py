"""How figures are put into words for people: the metric with its unit, settings, counts and durations."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sweeps.study.sections import Metric
from sweeps.trial.trial import Status

MISSING = "–"
_NAMES = {"val": "validation", "train": "training"}

MEANING: dict[Status, str] = {
    Status.COMPLETE: "trained to the end",
    Status.PRUNED: "stopped by early termination",
    Status.DIVERGED: "NaN or infinity in the metrics",
    Status.OUT_OF_MEMORY: "did not fit the device",
    Status.REJECTED: "over a constraint or not buildable; never trained",
    Status.DUPLICATE: "the sampler repeated a configuration; never trained",
    Status.FAILED: "the machine or a bug; not counted",
    Status.ABANDONED: "half-sampled when the driver died; never trained",
    Status.RUNNING: "not finished yet",
}


@dataclass(frozen=True)
class MetricFormat:
    """The study's metric in words. `unit` is "%" for accuracies, which are compared in percentage points."""

    label: str
    unit: str
    goal: Literal["maximize", "minimize"]

    @property
    def axis(self) -> str:
        """The title of an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def show(self, value: float | None) -> str:
        """A value with its unit: two decimals for accuracies, four significant digits otherwise."""
        if value is None or not math.isfinite(value):
            return MISSING
        return f"{value:.2f} %" if self.unit else significant(value)

    def difference(self, value: float) -> str:
        """A signed difference of two values, in percentage points for accuracies."""
        return f"{value:+.2f} pp" if self.unit else f"{'+' if value >= 0 else ''}{significant(value)}"

    def on(self, part: str) -> MetricFormat:
        """The same metric on another part of the data: "test accuracy" for "validation accuracy"."""
        label = self.label.removeprefix("val_").removeprefix("validation ")
        return replace(self, label=f"{part} {label}")

    def gap(self, value: float, half: float) -> str:
        """The size of a difference without its sign, with the digits that an interval of ±`half` leaves it."""
        return self.digits(abs(value), half) + (" pp" if self.unit else "")

    def digits(self, value: float, half: float) -> str:
        """A figure without its unit, to the first digit that `half` makes uncertain and at least one decimal."""
        if not half > 0:
            return f"{value:.2f}" if self.unit else significant(value)
        places = max(1, -math.floor(math.log10(half)) + (0 if self.unit else 1))
        text = f"{value:,.{places}f}" if places <= 6 else significant(value)
        return text.removeprefix("-") if not text.strip("-0.,") else text


def chance(p: float) -> str:
    """A p-value with its sign: "= 0.0003", "< 0.0001". It never rounds across 0.05."""
    if p < 0.0001:
        return "< 0.0001"
    texts = (f"{p:.{digits}g}" for digits in range(2, 18))
    return "= " + next((text for text in texts if (float(text) < 0.05) == (p < 0.05)), repr(p))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def measure(metric: Metric) -> MetricFormat:
    """The words for a study's metric: `val_accuracy` is "validation accuracy" in percent, as every accuracy is."""
    percent = metric.name.endswith("accuracy")
    words = [_NAMES.get(part, part) for part in metric.name.split("_")]
    return MetricFormat(" ".join(words) if percent else metric.name, "%" if percent else "", metric.goal)


def status_name(status: Status) -> str:
    """A status in words: "out of memory"."""
    return status.value.replace("_", " ")


def significant(value: float) -> str:
    """Four significant digits: 0.0123, 1e-5, 1,235."""
    if abs(value) >= 1e4 and float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    mantissa, letter, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if letter else text


def setting(value: Any) -> str:
    """A setting as a study file would write it, floats with four significant digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return significant(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def count(number: int, noun: str) -> str:
    """A number and its noun: "1 trial", "1,204 trials"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def hours(value: float) -> str:
    """Hours with what digits they deserve: 0.042, 0.37, 12.4."""
    if value >= 10:
        return f"{value:,.1f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A length of time: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def percent(part: float, whole: float) -> str:
    """A share without decimals, or the dash where there is no whole."""
    return f"{100 * part / whole:.0f} %" if whole else MISSING
