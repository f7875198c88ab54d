"""The statistics of repeated and paired runs: arrays in, numbers out. docs/evidence.md says what they mean."""

from __future__ import annotations

from sweeps.stats.factorial import Contrast, contrasts, seed_effects
from sweeps.stats.families import holm, holm_rows
from sweeps.stats.pairs import Paired, equivalence_p, equivalence_rows, paired, standardized
from sweeps.stats.sensitivity import detectable, needed_n, power
from sweeps.stats.shares import share_interval
from sweeps.stats.signs import SignFlip, seeds_for_sign_flip, sign_flip, smallest_holm_sign_flip_p, smallest_p
from sweeps.stats.stein import expected_n, stein_total, stein_totals
from sweeps.stats.student import Estimate, Location, Samples, interval, location, quantile, samples, simultaneous

__all__ = [
    "Contrast",
    "Estimate",
    "Location",
    "Paired",
    "Samples",
    "SignFlip",
    "contrasts",
    "detectable",
    "equivalence_p",
    "equivalence_rows",
    "expected_n",
    "holm",
    "holm_rows",
    "interval",
    "location",
    "needed_n",
    "paired",
    "power",
    "quantile",
    "samples",
    "seed_effects",
    "seeds_for_sign_flip",
    "share_interval",
    "sign_flip",
    "simultaneous",
    "smallest_holm_sign_flip_p",
    "smallest_p",
    "standardized",
    "stein_total",
    "stein_totals",
]
