"""Format values for people: the metric with its unit, settings, counts and durations."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sweeps.stats import ALPHA
from sweeps.stats.goal import Goal
from sweeps.study.sections import Metric
from sweeps.study.study import Study
from sweeps.trial.trial import Status

MISSING = "–"
LEAST_HOURS = 0.1  # of device time that is shown in hours
_UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00")  # as files and records have it
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?")
_NAMES = {"val": "validation", "train": "training"}

# What each status means, for tables.
MEANING: dict[Status, str] = {
    Status.COMPLETE: "trained to the end",
    Status.PRUNED: "not trained to the end: early termination stopped it or did not promote it",
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
    """How the values of a study's metric are shown.

    Attributes:
        label: The metric's name for people: "validation accuracy".
        unit: "%" for percentages, whose differences are in percentage points; "" for plain numbers.
        goal: Whether larger or smaller values are better.
    """

    label: str
    unit: str
    goal: Goal

    @property
    def axis(self) -> str:
        """The title of an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def show(self, value: float | None) -> str:
        """Format a value with its unit: two decimals for percentages, four significant digits otherwise."""
        if value is None or not math.isfinite(value):
            return MISSING
        return f"{value:.2f} %" if self.unit else significant(value)

    def difference(self, value: float) -> str:
        """Format a signed difference of two values, in percentage points for percentages. 0 has no sign."""
        if not self.unit:
            return f"{'+' if value > 0 else ''}{significant(value)}"
        text = f"{value:+.2f}"
        return f"{text[1:] if not float(text) else text} pp"

    def on(self, part: str) -> MetricFormat:
        """Return the format of the same metric on another part of the data: "test accuracy", for example."""
        label = self.label.removeprefix("val_").removeprefix("validation ")
        return replace(self, label=f"{part} {label}")

    def gap(self, value: float, half: float) -> str:
        """Format the absolute size of a difference with its unit, to the digits that `digits` gives it."""
        return self.digits(abs(value), half) + (" pp" if self.unit else "")

    def digits(self, value: float, half: float) -> str:
        """Format a value without its unit, to the digits that its interval leaves certain.

        Args:
            value: The value.
            half: Half the width of the value's interval. The last digit shown is the first one of `half`, and at least
                one decimal for percentages; or the second one for metrics without a unit. If `half` is not above 0,
                the value is formatted as in `show`.
        """
        if not half > 0:
            return f"{value:.2f}" if self.unit else significant(value)
        places = max(1, -math.floor(math.log10(half))) if self.unit else max(0, 1 - math.floor(math.log10(half)))
        text = f"{value:,.{places}f}" if places <= 6 else significant(value)
        return text.removeprefix("-") if not text.strip("-0.,") else text


def same_places(show: Callable[[float], str], values: Sequence[float]) -> list[str]:
    """Format a value and the ends of its interval with as many decimals: 79.65, 78.90, 80.40.

    Decimals are added up to four significant digits of the value, the first. Texts that are no plain decimals stay.

    Args:
        show: Formats one number, as `significant` does.
        values: The value, then the ends.
    """
    texts = [show(value) for value in values]
    if not all(_DECIMAL.fullmatch(text) for text in texts) or not float(texts[0]):
        return texts
    decimals = [len(text.partition(".")[2]) for text in texts]
    places = min(max(decimals), 3 - math.floor(math.log10(abs(float(texts[0])))))
    return [
        text if own >= places else f"{value:{'+' if text.startswith('+') else ''}.{places}f}"
        for text, own, value in zip(texts, decimals, values, strict=True)
    ]


def p_text(p: float) -> str:
    """Format a p-value with its relation: "= 0.0003", "< 0.0001". Rounding never crosses the level `ALPHA`."""
    if p < 0.0001:
        return "< 0.0001"
    texts = (f"{p:.{digits}g}" for digits in range(2, 18))
    return "= " + next((text for text in texts if (float(text) < ALPHA) == (p < ALPHA)), repr(p))


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def metric_format(metric: Metric, percentages: Collection[str]) -> MetricFormat:
    """Return the format of a study's metric: `val_accuracy` is "validation accuracy".

    Args:
        metric: The metric.
        percentages: The names of the metrics in percent, as in `Workload.percentages`.
    """
    words = [_NAMES.get(part, part) for part in metric.name.split("_")]
    label = " ".join(words) if words[-1] == "accuracy" else metric.name
    return MetricFormat(label, unit_of(metric.name, percentages), metric.goal)


def unit_of(name: str, percentages: Collection[str]) -> str:
    """Return the unit of a metric: "%" if it is one of `percentages` or ends with one as a word, otherwise ""."""
    return "%" if any(name == other or name.endswith(f"_{other}") for other in percentages) else ""


def status_name(status: Status | str) -> str:
    """Return a status, or the name of a group of trials, in words: "out of memory"."""
    return status.replace("_", " ")


def significant(value: float) -> str:
    """Format a value with four significant digits: 0.0123, 1e-5, 1235. Whole numbers from 10,000 on keep all digits."""
    if abs(value) >= 1e4 and float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    mantissa, letter, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if letter else text


def setting(value: Any) -> str:
    """Format a setting as a study file would write it, with four significant digits for floats."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return significant(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def count(number: int, noun: str) -> str:
    """Format a number with its noun: "1 trial", "1,204 trials"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def hours(value: float) -> str:
    """Format hours with about two significant digits: 0.042, 0.37, 12.4."""
    if value >= 10:
        return f"{value:,.1f}"
    return f"{value:.2f}" if value >= 0.1 or value == 0 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """Format a duration: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, remainder = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {remainder:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def device_time(hours_used: float, device: str) -> str:
    """Format the time that trials held a device: "47 ms of CPU time", "3 min 20 s of CPU time", "3.4 GPU-hours".

    Args:
        hours_used: The time in hours; from 0.1 on it is shown in hours, below as a duration.
        device: What the trials trained on, such as "cpu" or "cuda".
    """
    if hours_used < LEAST_HOURS:
        return f"{device_amount(hours_used)} of {device_name(device)} time"
    return f"{hours(hours_used)} {device_name(device)}-hours"


def device_time_range(low: float, likely: float, high: float, device: str) -> str:
    """Format a forecast of it: "40 s (20 s to 1 min 05 s) of CPU time", "3.40 (2.00 to 12.3) GPU-hours"."""
    if likely < LEAST_HOURS:
        return f"{_between(low, likely, high, device_amount)} of {device_name(device)} time"
    return f"{_between(low, likely, high, hours)} {device_name(device)}-hours"


def _between(low: float, likely: float, high: float, show: Callable[[float], str]) -> str:
    return show(likely) if show(low) == show(high) else f"{show(likely)} ({show(low)} to {show(high)})"


def device_amount(hours_used: float) -> str:
    """Format the same without the device, for a column "CPU time" or "GPU time": "47 ms", "3 min 20 s", "3.40 h"."""
    seconds = 3600 * hours_used
    if hours_used >= LEAST_HOURS:
        return f"{hours(hours_used)} h"
    if not 0 < seconds < 0.1:
        return duration(seconds) if seconds else "0 s"
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 else "less than 1 ms"


def device_name(device: str) -> str:
    """Return "CPU" or "GPU"."""
    return "CPU" if device == "cpu" else "GPU"


def local_time(moment: datetime | None) -> str:
    """Format a moment in the time zone of this machine, with its UTC offset: "2026-03-01 14:05:09 +05:30"."""
    if moment is None:
        return MISSING
    text = moment.astimezone().isoformat(" ", "seconds")
    return f"{text[:-6]} {text[-6:]}"


def in_local_time(text: str) -> str:
    """Return `text` with every ISO time in UTC as `local_time` formats it."""
    return _UTC_TIME.sub(lambda match: local_time(datetime.fromisoformat(match[0])), text)


def percent(part: float, whole: float) -> str:
    """Format a share in percent without decimals; a dash if `whole` is 0."""
    return f"{100 * part / whole:.0f} %" if whole else MISSING


def size_of_search(study: Study) -> str:
    """Return how large a search is: "40 trials", "20 trainings", "at most 40 trials in 20 trainings"."""
    most, budget = study.most_trials, study.budget.trainings
    if budget is None:
        return count(most or 0, "trial")
    return _trainings(budget) if most is None else f"at most {count(most, 'trial')} in {_trainings(budget)}"


def used_trainings(spent: float, budget: float) -> str:
    """Return a number of trainings beside the budget: "7.4 of 20 trainings"."""
    return f"{round(spent, 1):g} of {_trainings(budget)}"


def _trainings(number: float) -> str:
    return f"{number:g} training{'' if number == 1 else 's'}"
