"""Compare ways to look at a paired comparison after every pair: width, false claims, and pairs until a claim.

    python -m benchmarks.anytime [--studies 40000] [--seed 0] [--out benchmarks/results/anytime]

The ways, for looks after each of 6 to 24 pairs at 5 %: no correction at all; group-sequential t boundaries with the
same nominal level at every look, with one proportional to the pairs (`sweeps.stats.anytime`) or to their square; and a
t-mixture, whose e-process averages the likelihood ratio over a normal effect size and is valid without any maximum.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.common import write_result
from sweeps.stats import ALPHA, Looks, quantile
from sweeps.stats.anytime import criticals, looks_t

Array = NDArray[np.float64]
LOOKS = Looks(6, 24)
PAIRS = np.arange(LOOKS.first, LOOKS.last + 1)
SHOWN = (6, 8, 12, 18, 24)
EFFECTS = (0.5, 0.8, 1.2, 2.0)
SHAPES: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], Array]] = {
    "normal": lambda generator, shape: generator.normal(size=shape),
    "t, 3 degrees of freedom": lambda generator, shape: generator.standard_t(3, size=shape),
    "lognormal minus lognormal": lambda generator, shape: (
        generator.lognormal(size=shape) - generator.lognormal(size=shape)
    ),
    "exponential": lambda generator, shape: generator.exponential(size=shape) - 1.0,
    "lognormal": lambda generator, shape: generator.lognormal(size=shape) - math.exp(0.5),
}


def fixed() -> Array:
    """Return the critical values of a fixed number of pairs, one for each look."""
    return np.array([quantile(int(n) - 1) for n in PAIRS])


def simulated(power: float, generator: np.random.Generator, studies: int) -> Array:
    """Return boundaries whose nominal level is proportional to a power of the pairs, calibrated by simulation."""
    p = 2 * special.stdtr(PAIRS - 1, -np.abs(looks_t(generator.normal(size=(studies, LOOKS.last)), LOOKS)))
    share = (PAIRS / LOOKS.last) ** power
    factor = np.quantile((p / share).min(axis=1), ALPHA)
    return np.asarray(special.stdtrit(PAIRS - 1, 1 - factor * share / 2))


def mixture(scale: float) -> Array:
    """Return the t above which the mixture over effect sizes of variance `scale` reaches 1 / ALPHA (Ville)."""
    low, high = np.zeros(len(PAIRS)), np.full(len(PAIRS), 1e3)
    for _ in range(60):
        middle = (low + high) / 2
        grown = 1 + PAIRS * scale
        gain = np.log1p(middle**2 / (PAIRS - 1)) - np.log1p(middle**2 / ((PAIRS - 1) * grown))
        above = PAIRS / 2 * gain - np.log(grown) / 2 > -math.log(ALPHA)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def compare(studies: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return for each way its widths beside a fixed n, its false claims by shape, and its claims by effect."""
    generator = np.random.default_rng(seed)
    ways = {
        "no correction": fixed(),
        "same level at every look": simulated(0, generator, 4 * studies),
        "level proportional to the pairs (chosen)": criticals(LOOKS),
        "level proportional to their square": simulated(2, generator, 4 * studies),
        **{f"t-mixture, variance {scale:g}": mixture(scale) for scale in (0.5, 1.0, 2.0)},
    }
    result: dict[str, dict[str, Any]] = {
        name: {"width": {int(n): float(c) for n, c in zip(PAIRS, bounds / fixed(), strict=True)}, "false": {}}
        for name, bounds in ways.items()
    }
    for shape, draw in SHAPES.items():
        t = np.abs(looks_t(draw(generator, (studies, LOOKS.last)), LOOKS))
        for name, bounds in ways.items():
            result[name]["false"][shape] = float((t > bounds).any(axis=1).mean())
    for effect in EFFECTS:
        t = np.abs(looks_t(generator.normal(effect, 1, size=(studies, LOOKS.last)), LOOKS))
        for name, bounds in ways.items():
            crossed = t > bounds
            pairs = np.where(crossed.any(axis=1), crossed.argmax(axis=1) + LOOKS.first, LOOKS.last)
            found = {"found": float(crossed.any(axis=1).mean()), "pairs": float(pairs.mean())}
            result[name].setdefault("effects", {})[effect] = found
    return result


def table(result: Mapping[str, Mapping[str, Any]], studies: int, seed: int) -> str:
    """Return the comparison as Markdown."""
    columns = [*(f"width at {n}" for n in SHOWN), *SHAPES, *(f"{effect:g} sd" for effect in EFFECTS)]
    lines = [
        f"Looks after each of {LOOKS.first} to {LOOKS.last} pairs, {studies:,} simulated comparisons per figure, seed "
        f"{seed}. Width: of the 95 % interval, in multiples of that of a fixed number. By shape: comparisons without a "
        f"difference that are claimed at any look. By size: differences found, and the mean pairs until then.",
        "",
        f"| way | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for name, one in result.items():
        width = [f"{one['width'][n]:.2f}" for n in SHOWN]
        false = [f"{100 * one['false'][shape]:.1f} %" for shape in SHAPES]
        found = [f"{100 * each['found']:.0f} %, {each['pairs']:.1f}" for each in one["effects"].values()]
        lines.append(f"| {name} | {' | '.join([*width, *false, *found])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Simulate, print the table, and write the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--studies", type=int, default=40_000, help="simulated comparisons per figure")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    result = compare(chosen.studies, chosen.seed)
    content = {"studies": chosen.studies, "seed": chosen.seed, "ways": result}
    write_result(content, table(result, chosen.studies, chosen.seed), chosen.out)


if __name__ == "__main__":
    main()
