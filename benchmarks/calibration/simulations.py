"""Check the error rates of `sweeps.stats` on simulated differences with known means.

The checks, with a tolerance of four binomial standard errors, for there are hundreds: the family-wise error of Holm
over paired t tests (at most 5 %), the coverage of fixed-n intervals (95 %) and of Stein's procedure (at least 94.5 %),
power (within 3 points of the claimed one), the family-wise error of Holm over equivalence tests (at most 5 %), and
claims under looking after every pair with anytime (at most 5 %). Skewed differences are reported, not judged, because
the t test promises nothing for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.calibration.check import Check
from sweeps.stats import Looks, detectable, equivalence_rows, expected_n, holm_rows, power, samples, stein_totals
from sweeps.stats.anytime import criticals, looks_t

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int, int]], Array]
LEVEL = 0.05
COMPARISONS = range(2, 7)
PAIRS = range(4, 13)
PRECISIONS = (0.4, 0.5, 0.7, 1.0, 1.5)
FIRST, MOST = 6, 1000
LOOKS = Looks(6, 24)
POWER_WITHIN, STEIN_AT_LEAST = 0.03, 0.945


def normal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Draw normal differences of variants to a shared baseline, with correlation 0.5."""
    studies, _, n = shape
    return generator.normal(size=shape) - generator.normal(size=(studies, 1, n))


def independent(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Draw independent normal differences."""
    return generator.normal(size=shape)


def exponential(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Draw independent exponential differences, shifted to mean 0: skewness 2."""
    return generator.exponential(size=shape) - 1.0


def lognormal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    """Draw independent lognormal differences (sigma 1), shifted to mean 0: skewness 6.2."""
    return generator.lognormal(size=shape) - math.exp(0.5)


SHAPES: dict[str, tuple[Draw, bool]] = {
    "normal, shared baseline": (normal, True),
    "normal, independent": (independent, True),
    "exponential": (exponential, False),
    "lognormal": (lognormal, False),
}


def family_wise(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often Holm over paired t tests rejects at least one of m true null hypotheses."""
    for shape, (draw, judged) in SHAPES.items():
        for family in COMPARISONS:
            for n in PAIRS:
                p = samples(draw(generator, (studies, family, n))).p
                wrong = float((holm_rows(p) < LEVEL).any(axis=1).mean())
                where = f"{shape}, m = {family}, n = {n}"
                promise = "at most 5 %" if judged else ""
                yield Check("family-wise error", where, studies, wrong, promise, high=LEVEL)


def one_real(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate the same with one real difference; only rejections of the others are errors."""
    for family in COMPARISONS:
        for n in (4, 6, 12):
            differences = normal(generator, (studies, family, n))
            differences[:, 0] += 3.0
            wrong = float((holm_rows(samples(differences).p)[:, 1:] < LEVEL).any(axis=1).mean())
            where = f"normal, shared baseline, one real, m = {family}, n = {n}"
            yield Check("family-wise error", where, studies, wrong, "at most 5 %", high=LEVEL)


def coverage(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often the interval of a fixed n contains the true mean."""
    for shape, draw, judged in (("normal", independent, True), ("exponential", exponential, False)):
        for n in PAIRS:
            estimates = samples(draw(generator, (studies, 1, n)))
            rate = float((np.abs(estimates.mean) <= estimates.half).mean())
            promise = "95 %" if judged else ""
            yield Check("coverage, fixed n", f"{shape}, n = {n}", studies, rate, promise, 0.95, 0.95)


def stein(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often Stein's interval contains the true mean, and how many pairs it needs."""
    for precision in PRECISIONS:
        first = generator.normal(size=(studies, FIRST))
        totals = stein_totals(first, precision, MOST)
        held, narrow = 0, 0
        for total in np.unique(totals):
            chosen = first[totals == total]
            later = generator.normal(size=(len(chosen), int(total) - FIRST))
            estimates = samples(np.concatenate([chosen, later], axis=1), FIRST)
            held += int((np.abs(estimates.mean) <= estimates.half).sum())
            narrow += int((estimates.half <= precision * (1 + 1e-9)).sum())
        claimed = expected_n(1.0, precision, FIRST, MOST)
        taken = f"mean n {totals.mean():.1f}, expected {claimed:.1f}, narrow enough {narrow / studies:.1%}"
        where = f"normal, precision {precision} sd, first {FIRST}, at most {MOST:,} ({taken})"
        yield Check("coverage, Stein", where, studies, held / studies, "at least 94.5 %", STEIN_AT_LEAST)


def powers(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often a real difference is significant, and compare it with the claimed power."""
    for n in PAIRS:
        for what, difference in (("detectable difference", detectable(1.0, n)), ("1 sd", 1.0)):
            claimed = power(difference, 1.0, n)
            rate = float((samples(generator.normal(difference, size=(studies, n))).p < LEVEL).mean())
            where, promise = f"{what}, n = {n}", f"{claimed:.1%} ± 3 points"
            low, high = max(0.0, claimed - POWER_WITHIN), min(1.0, claimed + POWER_WITHIN)
            yield Check("power", where, studies, rate, promise, low, high)


def equivalences(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often any of m differences that equal the margin is called smaller, by Holm over the m tests."""
    for margin in (0.5, 1.0, 2.0):
        for family in (1, *COMPARISONS):
            for n in PAIRS:
                estimates = samples(normal(generator, (studies, family, n)) / math.sqrt(2) + margin)
                p = equivalence_rows(estimates.mean, estimates.sd / math.sqrt(n), estimates.df, margin)
                wrong = float((holm_rows(p) < LEVEL).any(axis=1).mean())
                where = f"normal, shared baseline, margin {margin} sd, m = {family}, n = {n}"
                yield Check("equivalence error", where, studies, wrong, "at most 5 %", high=LEVEL)


def anytime(generator: np.random.Generator, studies: int) -> Iterator[Check]:
    """Simulate how often Holm over anytime p claims any of m true null hypotheses at any look after 6 to 24 pairs."""
    for shape, (draw, judged) in SHAPES.items():
        for family in (1, 3, 6):
            t = np.abs(looks_t(draw(generator, (studies, family, LOOKS.last)), LOOKS))
            # Without a true difference the first claim is that of Holm's first step.
            wrong = float((t > criticals(LOOKS, LEVEL / family)).any(axis=(1, 2)).mean())
            where, promise = f"{shape}, m = {family}, looks at 6 to 24", "at most 5 %" if judged else ""
            yield Check("false claims, anytime", where, studies, wrong, promise, high=LEVEL)


PARTS = (family_wise, one_real, coverage, stein, powers, equivalences, anytime)


def calibrate(studies: int, seed: int = 0) -> list[Check]:
    """Run every check; each part has its own generator."""
    streams = np.random.SeedSequence(seed).spawn(len(PARTS))
    return [
        check
        for part, stream in zip(PARTS, streams, strict=True)
        for check in part(np.random.default_rng(stream), studies)
    ]


def table(checks: list[Check], seed: int) -> str:
    """Return the extreme rates of each group, the promises, and the effect of skew, as Markdown."""
    lines = [
        f"Calibration over {checks[0].studies:,} simulated studies per setting, seed {seed}; "
        "± is one binomial standard error.",
        "",
        "| check | settings | lowest | highest | promised | holds |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for name, group in _groups(checks).items():
        low, high = min(group, key=lambda check: check.rate), max(group, key=lambda check: check.rate)
        promised = group[0].promise if len({check.promise for check in group}) == 1 else "as claimed ± 3 points"
        verdict = ("yes" if all(check.holds for check in group) else "no") if group[0].promise else "only reported"
        lines.append(f"| {name} | {len(group)} | {_rate(low)} | {_rate(high)} | {promised or 'nothing'} | {verdict} |")
    broken = [check for check in checks if not check.promise and check.name == "family-wise error"]
    lines += ["", "Family-wise error of Holm over paired t where the differences are skewed, by n (m = 2 / m = 6):", ""]
    lines += ["| n | exponential | lognormal |", "| ---: | ---: | ---: |"]
    rates = {check.setting: check.rate for check in broken}
    for n in PAIRS:
        cells = [
            " / ".join(f"{rates[f'{shape}, m = {family}, n = {n}']:.1%}" for family in (2, 6))
            for shape in ("exponential", "lognormal")
        ]
        lines.append(f"| {n} | {' | '.join(cells)} |")
    lines += ["", "Stein's procedure:", ""]
    lines += [f"- {check.setting}: coverage {_rate(check)}" for check in checks if check.name == "coverage, Stein"]
    return "\n".join(lines) + "\n"


def _groups(checks: list[Check]) -> dict[str, list[Check]]:
    groups: dict[str, list[Check]] = {}
    for check in checks:
        shape = check.setting.split(", m =")[0].split(", n =")[0]
        by_shape = check.name.startswith(("family", "false", "coverage, fixed", "power"))
        keyed = f"{check.name}: {shape}" if by_shape else check.name
        groups.setdefault(keyed, []).append(check)
    return groups


def _rate(check: Check) -> str:
    return f"{check.rate:.2%} ± {check.error:.2%}"
