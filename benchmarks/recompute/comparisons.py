"""Recompute the tables of comparisons and effects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from benchmarks.recompute import statistics
from benchmarks.recompute.compare import NOT_PUBLISHED, Cell, Columns
from benchmarks.recompute.published import RETUNED, Published
from benchmarks.recompute.statistics import LEVEL, Array, Mean, mean_of

ON_SUCH_IMAGES = ("on such images low", "on such images high", "p on such images")


@dataclass(frozen=True)
class Pairs:
    """The pairs of an arm and its reference.

    Attributes:
        reference: The metric of the reference.
        value: The metric of the arm.
        first: The pairs in Stein's first stage; None without it.
        better: 1 if larger is better, else -1.
        left_out: The pairs without a value on one side.
        floor: The smallest deviation of a difference.
        point: Whether equal differences have an interval, of one point.
    """

    reference: Sequence[float]
    value: Sequence[float]
    first: int | None
    better: float
    left_out: int = 0
    floor: float = 0.0
    point: bool = True

    @classmethod
    def of(cls, report: Published, stage: str, arm: str, against: str) -> Pairs:
        """Pair the runs of a stage by replicate. Stein's first stage belongs to the ablation."""
        values, references = report.values(stage, arm), report.values(stage, against)
        shared = sorted(values.keys() & references.keys())
        first = sum(n < report.first for n in shared) if stage == "ablation" and report.first else None
        left_out = (report.ended(stage, arm) - set(values)) | (report.ended(stage, against) - set(references))
        floor = statistics.rounding(report.step(stage), 2)
        pairs = [references[n] for n in shared], [values[n] for n in shared]
        return cls(*pairs, first, report.better, len(left_out), floor, not report.corrected)

    def __len__(self) -> int:
        return len(self.value)

    @cached_property
    def differences(self) -> Array:
        """Arm minus reference."""
        return statistics.differences(self.reference, self.value)

    @cached_property
    def mean(self) -> Mean:
        """The mean difference; needs two pairs."""
        return mean_of(self.differences, self.first, self.floor)

    def ends(self, level: float) -> tuple[float | None, float | None]:
        """Return the interval of the mean difference."""
        return self.mean.interval(level) if self.mean.error or self.point else (None, None)

    @cached_property
    def p(self) -> float:
        """The p of the paired t test."""
        return statistics.p_of(self.mean, self.differences)

    @property
    def wins(self) -> float:
        """The pairs in which the arm is better, ties as half."""
        better = self.better * self.differences
        return float((better > 0).sum() + (better == 0).sum() / 2)


def family_of(report: Published, stage: str, table: pd.DataFrame) -> list[Pairs]:
    """Return the pairs behind each row of a table of comparisons."""
    return [Pairs.of(report, stage, row.arm, row.against) for _, row in table.iterrows()]


def comparison(family: Sequence[Pairs], margin: float | None) -> Columns:
    """Return the columns of a table of comparisons."""
    adjusted, within = _holm(family, lambda pairs: pairs.p), _equivalence(family, margin)
    means = [(np.mean(pairs.reference), np.mean(pairs.value)) if len(pairs) else (None, None) for pairs in family]
    return {
        "pairs": [len(pairs) for pairs in family],
        "reference mean": [None if before is None else float(before) for before, _ in means],
        "arm mean": [None if after is None else float(after) for _, after in means],
        **_interval("difference", family, LEVEL),
        "Holm p": adjusted,
        **dict.fromkeys(ON_SUCH_IMAGES, [NOT_PUBLISHED] * len(family)),
        "verdict": [_verdict(*row) for row in zip(family, adjusted, within, strict=True)],
    }


def checks(family: Sequence[Pairs], margin: float | None) -> Columns:
    """Return the columns of a table of checks."""
    tested = sum(len(pairs) > 1 for pairs in family)
    together = _interval("simultaneous interval", family, LEVEL / max(1, tested))
    standardized = [statistics.standardized(pairs.differences) if len(pairs) > 1 else None for pairs in family]
    shares = [statistics.share(pairs.wins, len(pairs)) if len(pairs) > 1 else None for pairs in family]
    return {
        **{name: cells for name, cells in together.items() if name != "simultaneous interval"},
        "sign-flip p": _each(family, lambda pairs: statistics.sign_flip(pairs.differences)),
        "smallest sign-flip p": _each(family, lambda pairs: statistics.smallest_sign_flip(len(pairs))),
        **_three("d_z", standardized),
        **_three("P(arm beats reference)", shares),
        "detectable difference": _each(family, lambda pairs: _detectable(pairs, tested)),
        "equivalence p": _each(family, lambda pairs: _tost(pairs, margin)),
        "Holm sign-flip p": _holm(family, lambda pairs: statistics.sign_flip(pairs.differences)),
        **_equivalence_step(family, margin),
        "pairs left out": [pairs.left_out for pairs in family],
        "correlation of pairs": _each(family, lambda pairs: statistics.correlation(pairs.reference, pairs.value)),
    }


def retuned(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of fixed and re-tuned comparisons."""
    columns: dict[str, Sequence[Cell]] = {}
    for kind, suffix in (("fixed", ""), ("re-tuned", RETUNED)):
        arms = [(name + suffix, f"baseline{suffix}") for name in table.arm]
        family = [Pairs.of(report, "ablation", *names) for names in arms]
        columns |= {f"{kind} {name}": cells for name, cells in comparison(family, report.margin).items()}
    return columns


def effects(report: Published, table: pd.DataFrame) -> Columns:
    """Return the columns of the table of effects of a factorial."""
    arms = dict.fromkeys(report.tables["arms"].arm)
    values = {arm: report.values("ablation", arm) for arm in arms}
    shared = sorted(set.intersection(*map(set, values.values())))
    matrix = np.array([[values[arm][seed] for arm in arms] for seed in shared])
    lacks = [frozenset(arm.removeprefix("no ").split(", ")) if arm.startswith("no ") else frozenset() for arm in arms]
    components = [name for name in report.study["ablation"]["components"] if any(name in gone for gone in lacks)]
    by_seed = statistics.factorial(matrix, lacks, components)
    first = sum(seed < report.first for seed in shared) if report.first else None
    rows = [by_seed[tuple(name.split(" × "))] for name in table.effect]
    means = [mean_of(row, first, statistics.rounding(report.step("ablation"), 4) / len(arms) ** 0.5) for row in rows]
    p = [statistics.p_of(mean, row) for mean, row in zip(means, rows, strict=True)]
    adjusted, plain = statistics.holm(p), [mean.interval() for mean in means]
    together = [mean.interval(LEVEL / len(rows)) for mean in means]
    return {
        "seeds": [len(shared)] * len(rows),
        "estimate": [mean.mean for mean in means],
        "estimate low": [low for low, _ in plain],
        "estimate high": [high for _, high in plain],
        "simultaneous interval low": [low for low, _ in together],
        "simultaneous interval high": [high for _, high in together],
        "p": p,
        "Holm p": adjusted,
        "Holm sign-flip p": statistics.holm([statistics.sign_flip(row) for row in rows]),
        "detectable effect": [statistics.detectable(mean, len(rows)) if mean.sd else None for mean in means],
        "verdict": [_direction(mean.mean, p_holm) for mean, p_holm in zip(means, adjusted, strict=True)],
    }


def _holm(family: Sequence[Pairs], p: Callable[[Pairs], float]) -> list[Cell]:
    """Adjust over the comparisons with at least two pairs."""
    adjusted = iter(statistics.holm([p(pairs) for pairs in family if len(pairs) > 1]))
    return [next(adjusted) if len(pairs) > 1 else None for pairs in family]


def _equivalence(family: Sequence[Pairs], margin: float | None) -> list[Cell]:
    if margin is None:
        return [None] * len(family)
    if family and family[0].point:  # version 0.1 did not correct
        return _each(family, lambda pairs: statistics.equivalence(pairs.mean, margin))
    return _holm(family, lambda pairs: statistics.equivalence(pairs.mean, margin))


def _equivalence_step(family: Sequence[Pairs], margin: float | None) -> dict[str, list[Cell]]:
    """Holm's p of the equivalence tests, and the interval of the step by which each is decided."""
    if margin is None:
        return {}
    p = [statistics.equivalence(pairs.mean, margin) for pairs in family if len(pairs) > 1]
    steps = iter(statistics.holm_steps(p))
    levels = [2 * LEVEL / next(steps) if len(pairs) > 1 else None for pairs in family]
    ends = [pairs.ends(level) if level else (None, None) for pairs, level in zip(family, levels, strict=True)]
    return {
        "Holm equivalence p": _equivalence(family, margin),
        "equivalence interval low": [low for low, _ in ends],
        "equivalence interval high": [high for _, high in ends],
        "coverage of the equivalence interval": [
            1 - level if level and low is not None else None for level, (low, _) in zip(levels, ends, strict=True)
        ],
    }


def _detectable(pairs: Pairs, tested: int) -> Cell:
    """Reports of version 0.1 gave that of a single test, and 0 without a deviation."""
    if pairs.point:
        return statistics.detectable(pairs.mean)
    return statistics.detectable(pairs.mean, tested) if pairs.mean.sd else None


def _tost(pairs: Pairs, margin: float | None) -> Cell:
    return None if margin is None else statistics.equivalence(pairs.mean, margin)


def _each(family: Sequence[Pairs], cell: Callable[[Pairs], Cell]) -> list[Cell]:
    return [cell(pairs) if len(pairs) > 1 else None for pairs in family]


def _interval(name: str, family: Sequence[Pairs], level: float) -> dict[str, list[Cell]]:
    return _three(
        name, [(pairs.mean.mean, *pairs.mean.interval(level)) if len(pairs) > 1 else None for pairs in family]
    )


def _three(name: str, cells: Sequence[tuple[Cell, Cell, Cell] | None]) -> dict[str, list[Cell]]:
    names = (name, f"{name} low", f"{name} high")
    return {each: [cell[place] if cell else None for cell in cells] for place, each in enumerate(names)}


def _verdict(pairs: Pairs, adjusted: Cell, within: Cell) -> Cell:
    """A test of the verdict's words: a direction where p is below 5 %, and "smaller than" only where it is shown."""
    if len(pairs) < 2 or not pairs.differences.any():
        return lambda text: text in ("no pair", "one pair", "identical")
    assert isinstance(adjusted, float)
    direction, shown = _direction(pairs.mean.mean, adjusted), isinstance(within, float) and within < LEVEL
    return lambda text: direction(text) and (shown or "smaller than" not in text)


def _direction(mean: float, adjusted: float) -> Callable[[str], bool]:
    if adjusted >= LEVEL:
        return lambda text: not text.startswith(("lower", "higher"))
    return lambda text: text.startswith("higher" if mean > 0 else "lower")
