"""The ablation as data frames: every arm against its reference, and the effects of a factorial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from sweeps.evidence import Comparison, Effect, Missing
from sweeps.formatting import count, setting
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import Paired
from sweeps.trial.arm import Arm

EDITS_SHOWN = 4
RETUNED = " (re-tuned)"
MAIN = ["arm", "change", "against", "pairs", "reference mean", "arm mean", "difference", "Holm p", "verdict"]
CHECKS = [
    "arm",
    "simultaneous interval",
    "sign-flip p",
    "smallest sign-flip p",
    "d_z",
    "P(arm beats reference)",
    "detectable difference",
    "equivalence p",
    "correlation of pairs",
    "diverged",
    "pairs left out",
    "why left out",
    "parameters",
    "macs",
    "note",
]


def comparison_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per arm: what was changed, the pairs, both means, the difference with its interval, Holm's p, verdict.

    Differences are arm minus reference in the metric's units; the means are those of the runs in the pairs.
    """
    rows = []
    for found in comparisons:
        reference, value = _means(found)
        spread = Interval.of(found.paired.estimate) if found.paired else None
        about = (found.arm.name, change(found.arm) or None, found.reference.name, len(found.pairs))
        rows.append((*about, reference, value, spread, found.p_holm, found.short))
    return frame_of(rows, MAIN)


def checks_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """One row per arm with what stands behind its verdict: the adjusted interval, the checks, what was left out."""
    return frame_of([_checks(found) for found in comparisons], CHECKS)


def retuned_table(
    fixed: Sequence[Comparison], retuned: Sequence[Comparison], chosen: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """The differences with the settings as they were and with each arm tuned again, side by side.

    `chosen` holds the settings that re-tuning chose, by arm.
    """
    before = {part(found.arm): found for found in fixed}
    rows = []
    for found in retuned:
        old = before.get(part(found.arm))
        settings = chosen.get(found.arm.name) or (chosen.get(old.arm.name) if old else None) or {}
        told = ", ".join(f"{key}: {setting(value)}" for key, value in settings.items())
        rows.append(((old or found).arm.name, *_outcome(old), *_outcome(found), told or None))
    kinds = [f"{kind} {what}" for kind in ("fixed", "re-tuned") for what in ("difference", "Holm p", "verdict")]
    return frame_of(rows, ["arm", *kinds, "re-tuned settings"])


def not_applicable_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """The arms that were never trained, each with its reason."""
    return frame_of([(arm.name, change(arm) or None, arm.reason) for arm in arms], ["arm", "change", "reason"])


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """The main effects and two-way interactions of a factorial, with what else shares their estimate."""
    rows = [
        (
            effect_name(effect),
            "main effect" if len(effect.components) == 1 else "interaction",
            effect.estimate.n,
            Interval.of(effect.estimate),
            Interval(None, *effect.simultaneous),
            effect.p,
            effect.p_holm,
            ", ".join(effect.aliases) or None,
            effect.short,
        )
        for effect in effects
    ]
    return frame_of(
        rows, ["effect", "kind", "seeds", "estimate", "simultaneous interval", "p", "Holm p", "aliases", "verdict"]
    )


def effect_name(effect: Effect) -> str:
    """A component, or two with the sign of an interaction between them."""
    return " × ".join(effect.components)


def label(arm: Arm) -> str:
    """An arm's name for a figure: one that is named after the part that it lacks says so."""
    return f"without {arm.name}" if arm.removed == (arm.name.removesuffix(RETUNED),) else arm.name


def change(arm: Arm) -> str:
    """What sets an arm off: the components that it is without and the settings that differ."""
    edits = [f"{key}: {setting(value)}" for key, value in arm.edits.items()]
    told = ", ".join(edits[:EDITS_SHOWN])
    if len(edits) > EDITS_SHOWN:
        told += f" and {count(len(edits) - EDITS_SHOWN, 'more setting')}"
    if not arm.removed:
        return told
    without = f"without {', '.join(arm.removed)}"
    return f"{without} ({told})" if told else without


def left_out(missing: Sequence[Missing]) -> str:
    """The pairs that a lost run cost, each with why."""
    return "; ".join(f"replicate {lost.replicate}: {lost.why}" for lost in missing)


def _checks(found: Comparison) -> tuple[Any, ...]:
    paired, arm = found.paired, found.arm
    tested: tuple[Any, ...] = (None,) * 7
    if paired is not None:
        better = Interval(paired.p_superior, paired.p_superior_low, paired.p_superior_high)
        flips = (paired.sign_flip_p, paired.smallest_sign_flip_p)
        tested = (*flips, _d_z(paired), better, paired.detectable, paired.equivalence_p, paired.correlation)
    simultaneous = Interval(None, *found.simultaneous) if found.simultaneous else None
    lost = (found.diverged, len(found.missing), left_out(found.missing) or None)
    counts = (arm.cost.get("parameters"), arm.cost.get("macs"))
    return (arm.name, simultaneous, *tested, *lost, *counts, arm.note or None)


def _d_z(paired: Paired) -> Interval | None:
    if paired.d_z is None or paired.d_z_low is None or paired.d_z_high is None:
        return None
    return Interval(paired.d_z, paired.d_z_low, paired.d_z_high)


def _means(found: Comparison) -> tuple[float | None, float | None]:
    if not found.pairs:
        return None, None
    return fmean(pair.reference for pair in found.pairs), fmean(pair.value for pair in found.pairs)


def _outcome(found: Comparison | None) -> tuple[Interval | None, float | None, str | None]:
    if found is None:
        return None, None, None
    return Interval.of(found.paired.estimate) if found.paired else None, found.p_holm, found.short


def part(arm: Arm) -> tuple[str, ...]:
    """What an arm is about, which it shares with its re-tuned twin."""
    return arm.removed or (arm.name.removesuffix(RETUNED),)
