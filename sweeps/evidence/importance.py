"""The importance of each searched setting, as the report shows it; `importance_estimators` computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Importance:
    """An exploratory ranking of the searched settings by one method.

    Attributes:
        method: The estimator and the epoch at which it compares the trials.
        means: The share of the explained variance of each setting, by dotted key.
        deviations: The standard deviation of each share over repeated estimates.
        trials: The number of trials that were used.
        lows: The lower end of each share's 95 % bootstrap interval over trials; empty where it was not computed.
        highs: The upper ends of the same intervals.
    """

    method: str
    means: Mapping[str, float]
    deviations: Mapping[str, float]
    trials: int
    lows: Mapping[str, float] = field(default_factory=dict)
    highs: Mapping[str, float] = field(default_factory=dict)
