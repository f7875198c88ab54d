"""The statistics of repeated and paired runs: arrays in, numbers out. docs/evidence.md explains the methods.

The names below are imported on first use, because scipy takes long to import and `sweep validate` needs only `ALPHA`
and the sign-flip bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeps.stats.alpha import ALPHA
    from sweeps.stats.anytime import (
        Looks,
        anytime_detectable,
        anytime_equivalence_p,
        anytime_interval,
        anytime_location,
        anytime_paired,
        decided,
        decided_at,
        expected_looks,
        widening,
    )
    from sweeps.stats.crossed import (
        CrossedAccuracy,
        CrossedDifference,
        approximate_accuracy,
        crossed_accuracy,
        crossed_difference,
    )
    from sweeps.stats.factorial import Contrast, contrasts, effect_floors, seed_effects
    from sweeps.stats.families import holm, holm_rows, holm_steps
    from sweeps.stats.meta import RandomEffects, random_effects, replications
    from sweeps.stats.pairs import Paired, equivalence_p, equivalence_rows, paired, standardized
    from sweeps.stats.sensitivity import detectable, needed_n, power
    from sweeps.stats.shares import share_bound, share_interval
    from sweeps.stats.signs import SignFlip, seeds_for_sign_flip, sign_flip, smallest_p
    from sweeps.stats.stein import expected_n, stein_total, stein_totals
    from sweeps.stats.student import (
        Estimate,
        Location,
        Samples,
        interval,
        interval_at,
        location,
        quantile,
        rounding_sd,
        samples,
        simultaneous,
    )
else:
    from importlib import import_module

    _NAMES = {
        "alpha": ("ALPHA",),
        "anytime": (
            "Looks",
            "anytime_detectable",
            "anytime_equivalence_p",
            "anytime_interval",
            "anytime_location",
            "anytime_paired",
            "decided",
            "decided_at",
            "expected_looks",
            "widening",
        ),
        "crossed": (
            "CrossedAccuracy",
            "CrossedDifference",
            "approximate_accuracy",
            "crossed_accuracy",
            "crossed_difference",
        ),
        "factorial": (
            "Contrast",
            "contrasts",
            "effect_floors",
            "seed_effects",
        ),
        "families": (
            "holm",
            "holm_rows",
            "holm_steps",
        ),
        "meta": (
            "RandomEffects",
            "random_effects",
            "replications",
        ),
        "pairs": (
            "Paired",
            "equivalence_p",
            "equivalence_rows",
            "paired",
            "standardized",
        ),
        "sensitivity": (
            "detectable",
            "needed_n",
            "power",
        ),
        "shares": (
            "share_bound",
            "share_interval",
        ),
        "signs": (
            "SignFlip",
            "seeds_for_sign_flip",
            "sign_flip",
            "smallest_p",
        ),
        "stein": (
            "expected_n",
            "stein_total",
            "stein_totals",
        ),
        "student": (
            "Estimate",
            "Location",
            "Samples",
            "interval",
            "interval_at",
            "location",
            "quantile",
            "rounding_sd",
            "samples",
            "simultaneous",
        ),
    }
    _MODULES = {name: module for module, names in _NAMES.items() for name in names}

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        return value


__all__ = [
    "ALPHA",
    "Contrast",
    "CrossedAccuracy",
    "CrossedDifference",
    "Estimate",
    "Location",
    "Looks",
    "Paired",
    "RandomEffects",
    "Samples",
    "SignFlip",
    "anytime_detectable",
    "anytime_equivalence_p",
    "anytime_interval",
    "anytime_location",
    "anytime_paired",
    "approximate_accuracy",
    "contrasts",
    "crossed_accuracy",
    "crossed_difference",
    "decided",
    "decided_at",
    "detectable",
    "effect_floors",
    "equivalence_p",
    "equivalence_rows",
    "expected_looks",
    "expected_n",
    "holm",
    "holm_rows",
    "holm_steps",
    "interval",
    "interval_at",
    "location",
    "needed_n",
    "paired",
    "power",
    "quantile",
    "random_effects",
    "replications",
    "rounding_sd",
    "samples",
    "seed_effects",
    "seeds_for_sign_flip",
    "share_bound",
    "share_interval",
    "sign_flip",
    "simultaneous",
    "smallest_p",
    "standardized",
    "stein_total",
    "stein_totals",
    "widening",
]
