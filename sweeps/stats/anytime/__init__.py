"""Comparisons that may be looked at after every pair."""

from __future__ import annotations

from sweeps.stats.anytime.comparisons import (
    anytime_detectable,
    anytime_equivalence_p,
    anytime_interval,
    anytime_location,
    anytime_paired,
    criticals,
    decided,
    decided_at,
    expected_looks,
    looks_t,
    widening,
)
from sweeps.stats.anytime.looks import Looks

__all__ = [
    "Looks",
    "anytime_detectable",
    "anytime_equivalence_p",
    "anytime_interval",
    "anytime_location",
    "anytime_paired",
    "criticals",
    "decided",
    "decided_at",
    "expected_looks",
    "looks_t",
    "widening",
]
