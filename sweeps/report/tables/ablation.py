"""Build the data frames of the ablation: each arm against its reference, and the effects of a factorial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from sweeps.evidence import Comparison, Effect, Missing
from sweeps.evidence.equivalence import Equivalence
from sweeps.evidence.verdict import PATH
from sweeps.formatting import setting
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval
from sweeps.stats import Paired
from sweeps.trial.arm import BASELINE, RETUNED, Arm

MAIN = ["arm", "change", "against", "pairs", "reference mean", "arm mean", "difference", "Holm p", "verdict"]
EQUIVALENCE = ("equivalence p", "Holm equivalence p", "equivalence interval", "coverage of the equivalence interval")
CHECKS = [
    "arm",
    "simultaneous interval",
    "sign-flip p",
    "Holm sign-flip p",
    "smallest sign-flip p",
    "d_z",
    "P(arm beats reference)",
    "detectable difference",
    *EQUIVALENCE,
    "correlation of pairs",
    "diverged",
    "collapsed",
    "without diverged and collapsed",
    "pairs left out",
    "why left out",
    "parameters",
    "macs",
    "note",
]


def comparison_table(comparisons: Sequence[Comparison], design: str) -> pd.DataFrame:
    """Return one row per arm: its change, the pairs, both means, the difference with its interval, p and the verdict.

    Differences are arm minus reference, in the metric's units. The means are those of the runs in the pairs.

    Args:
        comparisons: The comparisons of one table.
        design: The design of the ablation.
    """
    rows = []
    for one in comparisons:
        difference = Interval.of(one.paired.estimate) if one.paired else None
        about = (one.arm.name, change(one.arm, design) or None, one.reference.name, len(one.pairs))
        rows.append((*about, *means(one), difference, one.p_holm, one.short))
    return frame_of(rows, MAIN)


def checks_table(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return one row per arm: the adjusted interval, the other tests, and the pairs that were left out."""
    return frame_of([_checks(one) for one in comparisons], CHECKS)


def retuned_table(
    fixed: Sequence[Comparison], retuned: Sequence[Comparison], tuned: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Return the differences at the reference's settings beside those of arms that were each tuned again.

    Args:
        fixed: The comparisons of the arms with the settings of the reference.
        retuned: The comparisons of the arms that were tuned again.
        tuned: The settings that re-tuning chose, by arm.
    """
    fixed_by_part = {part(one.arm): one for one in fixed}
    rows = []
    for one in retuned:
        twin = fixed_by_part.get(part(one.arm))
        settings = tuned.get(one.arm.name) or (tuned.get(twin.arm.name) if twin else None) or {}
        text = ", ".join(f"{key}: {setting(value)}" for key, value in settings.items())
        rows.append(((twin or one).arm.name, *_outcome(twin), *_outcome(one), text or None))
    kinds = [f"{kind} {figure}" for kind in ("fixed", "re-tuned") for figure in ("difference", "Holm p", "verdict")]
    return frame_of(rows, ["arm", *kinds, "re-tuned settings"])


def not_applicable_table(arms: Sequence[Arm], design: str) -> pd.DataFrame:
    """Return the arms of a design that are never trained, each with its reason."""
    return frame_of([(arm.name, change(arm, design) or None, arm.reason) for arm in arms], ["arm", "change", "reason"])


def effects_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """Return the main effects and two-way interactions of a factorial, with the effects that share their estimate."""
    rows = [
        (
            effect_name(effect),
            "main effect" if len(effect.components) == 1 else "interaction",
            effect.estimate.n,
            Interval.of(effect.estimate),
            Interval(None, *effect.simultaneous) if effect.simultaneous else None,
            effect.p,
            effect.p_holm,
            effect.sign_flip_holm,
            effect.detectable or None,
            *_equivalence(effect.equivalence),
            ", ".join(effect.aliases) or None,
            effect.short,
        )
        for effect in effects
    ]
    figures, checks = ["estimate", "simultaneous interval", "p", "Holm p"], ["Holm sign-flip p", "detectable effect"]
    return frame_of(rows, ["effect", "kind", "seeds", *figures, *checks, *EQUIVALENCE, "aliases", "verdict"])


def crossing(name: str) -> str:
    """Return an interaction of a record, "relu:norm", as tables and figures write it: "relu × norm"."""
    return name.replace(":", " × ")


def effect_name(effect: Effect) -> str:
    """Return the component of a main effect, or both of an interaction: "relu × norm"."""
    return " × ".join(effect.components)


def label(arm: Arm) -> str:
    """Return the name of an arm in figures and sentences: an arm named after the part that it lacks has "without"."""
    return f"without {arm.name}" if arm.removed == (arm.name.removesuffix(RETUNED),) else arm.name


def called(arm: Arm) -> str:
    """Return the name of an arm as the subject of a sentence: "the baseline", "without relu"."""
    return f"the {arm.name}" if arm.name == BASELINE else label(arm)


def change(arm: Arm, design: str) -> str:
    """Return how an arm differs from its reference: the components that it lacks and the settings that differ.

    The steps of a path remove nothing: they set settings.
    """
    text = ", ".join(f"{key}: {setting(value)}" for key, value in arm.edits.items())
    if not arm.removed or design == PATH:
        return text
    without = f"without {', '.join(arm.removed)}"
    return f"{without} ({text})" if text else without


def part(arm: Arm) -> tuple[str, ...]:
    """Return the components that an arm lacks, else its name: what it has in common with its re-tuned twin."""
    return arm.removed or (arm.name.removesuffix(RETUNED),)


def means(one: Comparison) -> tuple[float | None, float | None]:
    """Return the means of the reference and of the arm over their pairs; None without a pair."""
    if not one.pairs:
        return None, None
    return fmean(pair.reference for pair in one.pairs), fmean(pair.value for pair in one.pairs)


def left_out(missing: Sequence[Missing]) -> str:
    """Return the replicates that are left out, each with its reason."""
    return "; ".join(f"replicate {lost.replicate}: {lost.why}" for lost in missing)


def _checks(one: Comparison) -> tuple[Any, ...]:
    paired, arm = one.paired, one.arm
    tests: tuple[Any, ...] = (None,) * 11
    if paired is not None:
        better = Interval(paired.p_superior, paired.p_superior_low, paired.p_superior_high)
        # The sign-flip test holds for a fixed number of pairs, not under looking after every pair.
        fixed = paired.at_most is None
        flips = (paired.sign_flip_p, one.sign_flip_holm, paired.smallest_sign_flip_p) if fixed else (None,) * 3
        sizes = (_d_z(paired), better, paired.detectable or None)
        tests = (*flips, *sizes, *_equivalence(one.equivalence), paired.correlation)
    simultaneous = Interval(None, *one.simultaneous) if one.simultaneous else None
    without = Interval.of(one.unbroken.estimate) if one.unbroken else None
    lost = (one.diverged, one.collapsed, without, len(one.missing), left_out(one.missing) or None)
    counts = (arm.cost.get("parameters"), arm.cost.get("macs"))
    return (arm.name, simultaneous, *tests, *lost, *counts, arm.note or None)


def _equivalence(equivalence: Equivalence | None) -> tuple[float | None, float | None, Interval | None, float | None]:
    """The p of the test against the margin, the same after Holm, and the interval of its Holm step with its coverage.

    The interval is left out where diverged or collapsed runs void the claim that it would make.
    """
    if equivalence is None:
        return None, None, None, None
    if equivalence.interval is None:
        return equivalence.p, equivalence.p_holm, None, None
    return equivalence.p, equivalence.p_holm, Interval(None, *equivalence.interval), equivalence.coverage


def _d_z(paired: Paired) -> Interval | None:
    if paired.d_z is None or paired.d_z_low is None or paired.d_z_high is None:
        return None
    return Interval(paired.d_z, paired.d_z_low, paired.d_z_high)


def _outcome(one: Comparison | None) -> tuple[Interval | float | None, float | None, str | None]:
    if one is None:
        return None, None, None
    return Interval.of(one.paired.estimate) if one.paired else None, one.p_holm, one.short
