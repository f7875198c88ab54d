"""How much each searched setting moved the metric: figures that are computed elsewhere and only shown here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Importance:
    """An exploratory ranking of the searched settings.

    `method` names the estimator and the epoch it looked at; `means` and `deviations` hold, by dotted key, the share of
    the explained variance and its standard deviation over repeated estimates; `lows` and `highs` the ends of its 95 %
    bootstrap interval over trials, where that was computed; `trials` is how many trials it used.
    """

    method: str
    means: Mapping[str, float]
    deviations: Mapping[str, float]
    trials: int
    lows: Mapping[str, float] = field(default_factory=dict)
    highs: Mapping[str, float] = field(default_factory=dict)
