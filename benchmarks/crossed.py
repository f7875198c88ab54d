"""Simulate what intervals over seeds and images cover, and how wide they have to be.

    python -m benchmarks.crossed [--studies 200] [--seed 0] [--skip-digits] [--out benchmarks/results/crossed]

Four questions, each with a table in the result:

1. Do the intervals for accuracy on such images cover the accuracy of the population? Right and wrong images are drawn
   from a mixture: most always right, some never, the others by chance, with an effect of the seed on all of these.
2. Do the intervals of a difference cover it, whatever the ratio of the images' to the seeds' variance? Normal effects,
   with many images, so that the images' variance is known; beside the chosen method those that were tried.
3. Could any interval be narrower? The narrowest one that covers 95 % for all variances of the seeds from a known floor
   (the residual variance over the number of images) up to a bound is found by convex optimisation.
4. How do networks behave? Eight recipes of a small network on handwritten digits, 40 seeds each, resampled.

Exit code 1 when a promised coverage is broken: from three seeds on 95 % for normal effects, and 94 % minus three
binomial standard errors for accuracies.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from scipy import stats as distributions

from benchmarks.common import write_result
from sweeps.stats import approximate_accuracy, crossed_accuracy, crossed_difference, interval, quantile
from sweeps.stats.crossed import LEAST_SEEDS, parts

Array = NDArray[np.float64]
LEVEL = 0.05
NORMAL = -float(special.ndtri(LEVEL / 2))
SEEDS = (2, 3, 4, 5, 6, 8, 10)
RATIOS = (0.0, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
WITHIN = (0.1, 10.0)
EXCESSES = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 1e3, 1e9)
BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 100.0)
DRAWS = 2000  # quantiles of chi-squared in place of random draws
ARMS: dict[str, dict[str, Any]] = {
    "baseline": {"hidden_layer_sizes": (64,)},
    "16 units": {"hidden_layer_sizes": (16,)},
    "256 units": {"hidden_layer_sizes": (256,)},
    "two layers of 32": {"hidden_layer_sizes": (32, 32)},
    "tanh": {"hidden_layer_sizes": (64,), "activation": "tanh"},
    "linear": {"hidden_layer_sizes": (64,), "activation": "identity"},
    "lr 0.05": {"hidden_layer_sizes": (64,), "learning_rate_init": 0.05},
    "4 epochs": {"hidden_layer_sizes": (64,), "max_iter": 4},
}


@dataclass(frozen=True)
class Population:
    """Images that are never right, always right, or right with a probability drawn from Beta(a, b).

    Attributes:
        seed_effect: The standard deviation over seeds of the log odds of the images that are right by chance.
    """

    name: str
    never: float
    by_chance: float
    a: float
    b: float
    seed_effect: float

    def draw(self, generator: np.random.Generator, n: int, images: int) -> NDArray[np.bool_]:
        """Draw which images are right in each of n runs, shape (n, images)."""
        rest = 1 - self.never - self.by_chance
        never, chance, _ = generator.multinomial(images, [self.never, self.by_chance, rest])
        odds = special.logit(np.clip(generator.beta(self.a, self.b, chance), 1e-6, 1 - 1e-6))
        shares = special.expit(odds + generator.normal(0, self.seed_effect, (n, 1)))
        correct = np.ones((n, images), dtype=bool)
        correct[:, :never] = False
        correct[:, never : never + chance] = generator.random((n, chance)) < shares
        return correct

    @property
    def accuracy(self) -> float:
        """The accuracy over all images and seeds."""
        grid = (np.arange(2000) + 0.5) / 2000
        odds = special.logit(np.clip(distributions.beta.ppf(grid, self.a, self.b), 1e-6, 1 - 1e-6))
        effects = special.ndtri((np.arange(400) + 0.5) / 400)[:, None] * self.seed_effect
        return float(1 - self.never - self.by_chance + self.by_chance * special.expit(odds + effects).mean())


POPULATIONS = tuple(
    Population(f"{name}, {effect}", *mixture, 2.0, 0.667, sd)
    for name, mixture in (("95 %", (0.02, 0.12)), ("99.5 %", (0.002, 0.012)), ("80 %", (0.1, 0.4)))
    for effect, sd in (("no effect of the seed", 0.0), ("a small effect", 0.1), ("a large effect", 0.7))
)


@dataclass(frozen=True)
class Coverage:
    """How often the intervals contain the truth over `studies`, by method, in a setting."""

    setting: str
    n: int
    images: int
    studies: int
    rates: dict[str, float]


def accuracies(generator: np.random.Generator, studies: int, sizes: Sequence[int], n: int) -> Iterator[Coverage]:
    """Simulate what the intervals of an accuracy cover."""
    for population in POPULATIONS:
        truth = population.accuracy
        for images in sizes:
            tables = (population.draw(generator, n, images) for _ in range(studies))
            hits = np.mean([_hits(table, truth) for table in tables], axis=0)
            names = ("seeds alone", "seeds and images", "approximate")
            yield Coverage(population.name, n, images, studies, dict(zip(names, hits.tolist(), strict=True)))


def _hits(correct: NDArray[np.bool_], truth: float) -> tuple[bool, bool, bool]:
    by_seed = correct.mean(axis=1)
    seeds, known = interval(by_seed), crossed_accuracy(correct)
    guess = approximate_accuracy(by_seed.tolist(), correct.shape[1])
    alone = seeds is not None and seeds.low <= truth <= seeds.high
    return alone, known.low <= truth <= known.high, guess.low <= truth <= guess.high


# Half-widths from the estimated seeds' part m, its floor f and the images' part b of the variance, and n - 1.
Method = Callable[[Array, float, float, int], Array]


def crossed(m: Array, f: float, b: float, df: int) -> Array:
    """The method of `sweeps.stats.crossed` with a known variance of the images."""
    variance = b + np.maximum(m, f)
    share = np.minimum(1.0, m / variance)
    return np.asarray((share * quantile(df) + (1 - share) * NORMAL) * np.sqrt(variance))


def satterthwaite(m: Array, f: float, b: float, df: int) -> Array:
    """Student's t with one estimated number of degrees of freedom."""
    variance = b + np.maximum(m, f)
    return np.asarray(special.stdtrit(df * (variance / m) ** 2, 1 - LEVEL / 2) * np.sqrt(variance))


def banerjee(m: Array, f: float, b: float, df: int) -> Array:
    """The root of the sum of the squared half-widths of both parts; it covers at least 95 % for every ratio."""
    return np.sqrt(quantile(df) ** 2 * m + NORMAL**2 * (b + f))


def widest(m: Array, f: float, b: float, df: int) -> Array:
    """The wider of the intervals over seeds alone and over images alone."""
    return np.maximum(quantile(df) * np.sqrt(m), NORMAL * np.sqrt(b + f))


def images_tell(m: Array, f: float, b: float, df: int) -> Array:
    """The normal interval, as if seeds differed by the residual of the images alone (with the estimate as floor)."""
    return NORMAL * np.sqrt(np.maximum(m, f) + b)


def seeds_alone(m: Array, f: float, b: float, df: int) -> Array:
    """The paired t over seeds."""
    return np.asarray(quantile(df) * np.sqrt(m))


METHODS: dict[str, Method] = {
    "crossed (Cochran-Cox, chosen)": crossed,
    "Satterthwaite": satterthwaite,
    "Banerjee": banerjee,
    "wider of both": widest,
    "images tell the seeds' variance": images_tell,
    "seeds alone (today's)": seeds_alone,
}


def covered(method: Method, n: int, excess: float, ratio: float) -> tuple[float, float]:
    """Return coverage and mean half-width of a method, over that of the paired t, for normal effects.

    Args:
        method: The method.
        n: The number of seeds.
        excess: The seeds' variance over its floor, from 1 on.
        ratio: The images' part of the variance over the seeds' part.
    """
    m = distributions.chi2.ppf((np.arange(DRAWS) + 0.5) / DRAWS, n - 1) / (n - 1)  # the seeds' part is 1
    half = method(m, 1 / excess, ratio, n - 1)
    rate = np.mean(2 * special.ndtr(half / math.sqrt(1 + ratio)) - 1)
    return float(rate), float(half.mean() / (quantile(n - 1) * np.sqrt(m).mean()))


@dataclass(frozen=True)
class Worst:
    """The lowest coverage of a method over the ratios from 0.1 to 10 and over all of them, and its widths."""

    method: str
    n: int
    within: float
    anywhere: float
    widths: dict[str, float]


def worst(name: str, n: int) -> Worst:
    """Return the lowest coverage of a method over the grid of ratios and excesses."""
    rates = {(x, r): covered(METHODS[name], n, x, r)[0] for x in EXCESSES for r in RATIOS}
    within = min(rate for (_, ratio), rate in rates.items() if WITHIN[0] <= ratio <= WITHIN[1])
    widths = {f"{ratio:g}": covered(METHODS[name], n, 2.0, ratio)[1] for ratio in (0.1, 0.3, 1.0, 3.0, 10.0)}
    return Worst(name, n, within, min(rates.values()), widths)


def narrowest(n: int, bound: float, level: float = 1 - LEVEL, cells: int = 60) -> float:
    """Return the least possible mean half-width of an interval of a difference on fixed images, over the paired t's.

    The half-width may depend on the estimated variance of the seeds and on its known floor in any way, and has to cover
    `level` for every variance from the floor to `bound` times the floor; the mean is taken where the variance is the
    floor, the best case. With piecewise constant half-widths h(m) the mean is linear and each coverage concave in h, so
    that the minimum found is the global one.
    """
    df = n - 1
    ends = np.concatenate([[0.0], np.geomspace(0.02, 4 * bound * 5, cells)])
    middles = np.concatenate([[0.01], np.sqrt(ends[1:-1] * ends[2:])])
    variances = np.geomspace(1, bound, 30) if bound > 1 else np.ones(1)
    chances = np.diff(distributions.chi2.cdf(ends * df / variances[:, None], df), axis=1)
    beyond, roots = 1 - chances.sum(axis=1), np.sqrt(variances)[:, None]

    def slack(half: Array) -> Array:
        return np.asarray(100 * ((chances * (2 * special.ndtr(half / roots) - 1)).sum(axis=1) + beyond - level))

    def slope(half: Array) -> Array:
        return np.asarray(200 * chances * np.exp(-((half / roots) ** 2) / 2) / math.sqrt(2 * math.pi) / roots)

    start = quantile(df) * np.sqrt(middles)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optimize.minimize(
            lambda half: chances[0] @ half,
            start,
            jac=lambda _: chances[0],
            constraints=[{"type": "ineq", "fun": slack, "jac": slope}],
            bounds=[(0.0, 400.0)] * len(start),
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-8},
        )
    plain = distributions.chi2.ppf((np.arange(DRAWS) + 0.5) / DRAWS, df) / df
    return float(found.fun / (quantile(df) * np.sqrt(plain).mean()))


@dataclass(frozen=True)
class OnDigits:
    """What networks on digits show of an arm, or of the difference of an arm to the baseline.

    Attributes:
        mean: In percent, or points, over all seeds and images.
        seed_sd: The standard deviation over seeds, in points.
        excess: The seeds' variance over its floor.
        ratio: The images' part of the variance over the seeds' part, for three seeds.
        rates: The coverage over resampled seeds and images, by method and n.
        width: The mean half-width with three seeds over that of the paired t; None for accuracies.
    """

    what: str
    mean: float
    seed_sd: float
    excess: float
    ratio: float
    rates: dict[str, float]
    width: float | None


def digits(seed: int, seeds: int = 40, draws: int = 500) -> list[OnDigits]:
    """Train the arms on digits, and resample their seeds and images."""
    tables = _trained(seeds)
    generator = np.random.default_rng([seed, 4])
    shown = [_on_digits(name, table, generator, draws, accuracy=True) for name, table in tables.items()]
    base = tables["baseline"].astype(np.int8)
    pairs = ((name, table.astype(np.int8) - base) for name, table in tables.items() if name != "baseline")
    return [*shown, *(_on_digits(f"{name} - baseline", d, generator, draws, accuracy=False) for name, d in pairs)]


def _trained(seeds: int) -> dict[str, NDArray[np.bool_]]:
    """Which of 597 test images each network has right, shape (seeds, 597), by arm."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=597, random_state=0, stratify=labels)
    train, test, train_labels, test_labels = split
    tables: dict[str, NDArray[np.bool_]] = {}
    for name, settings in ARMS.items():
        runs = []
        for seed in range(seeds):
            network = MLPClassifier(**{"max_iter": 15, "learning_rate_init": 0.01, **settings}, random_state=seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network.fit(train, train_labels)
            runs.append(network.predict(test) == test_labels)
        tables[name] = np.array(runs)
    return tables


def _on_digits(what: str, table: NDArray[Any], generator: np.random.Generator, draws: int, accuracy: bool) -> OnDigits:
    whole = parts(table)
    truth, (seeds, images) = whole.mean, table.shape
    rates: dict[str, float] = {}
    widths: list[float] = []
    for n in (3, 6):
        hits, plain = [], []
        for _ in range(draws):
            rows = generator.choice(seeds, n, replace=False)
            drawn = table[rows][:, generator.integers(images, size=images)]
            found = crossed_accuracy(drawn) if accuracy else crossed_difference(drawn)
            over_seeds = interval(drawn.mean(axis=1))
            if found is None or over_seeds is None:
                continue
            hits.append(found.low <= truth <= found.high)
            plain.append(over_seeds.low <= truth <= over_seeds.high)
            if n == 3 and over_seeds.high > over_seeds.low:
                widths.append((found.high - found.low) / (over_seeds.high - over_seeds.low))
        rates |= {f"crossed, n = {n}": float(np.mean(hits)), f"seeds alone, n = {n}": float(np.mean(plain))}
    floor = whole.residual / images
    return OnDigits(
        what=what,
        mean=100 * whole.mean,
        seed_sd=100 * math.sqrt(whole.between_seeds),
        excess=whole.between_seeds / floor,
        ratio=whole.image_effect / images / (whole.between_seeds / 3),
        rates=rates,
        width=None if accuracy else float(np.median(widths)),
    )


@dataclass(frozen=True)
class Outcome:
    """Everything that the benchmark found."""

    accuracies: list[Coverage]
    methods: list[Worst]
    narrowest: dict[str, dict[str, float]]
    digits: list[OnDigits]

    @property
    def broken(self) -> list[str]:
        """The promises that do not hold."""
        slack = 3 * math.sqrt(0.94 * 0.06 / self.accuracies[0].studies)
        few = [
            f"{one.setting}, n = {one.n}, {one.images:,} images: {one.rates['seeds and images']:.1%}"
            for one in self.accuracies
            if one.n >= LEAST_SEEDS and one.rates["seeds and images"] < 0.94 - slack
        ]
        chosen = [one for one in self.methods if one.method == next(iter(METHODS)) and one.n >= LEAST_SEEDS]
        return few + [f"{one.method}, n = {one.n}: {one.anywhere:.1%}" for one in chosen if one.anywhere < 0.9495]


def simulate(studies: int, seed: int, with_digits: bool, sizes: Sequence[int] = (597, 1000, 10_000)) -> Outcome:
    """Answer all four questions."""
    streams = iter(np.random.SeedSequence(seed).spawn(5))
    found = [
        one for n in (1, 2, 3, 5, 10) for one in accuracies(np.random.default_rng(next(streams)), studies, sizes, n)
    ]
    methods = [worst(name, n) for name in METHODS for n in SEEDS]
    least = {str(n): {f"{bound:g}": narrowest(n, bound) for bound in BOUNDS} for n in (3, 4, 6)}
    return Outcome(found, methods, least, digits(seed) if with_digits else [])


def table(outcome: Outcome) -> str:
    """Return the four answers as Markdown."""
    return "\n".join([*_accuracies(outcome), *_methods(outcome), *_narrowest(outcome), *_digits(outcome)]) + "\n"


def _accuracies(outcome: Outcome) -> list[str]:
    studies = outcome.accuracies[0].studies
    lines = [
        f"Coverage of 95 % intervals for the accuracy of the population, {studies:,} studies per setting: over seeds "
        "alone / over seeds and images / approximate (from accuracies and the number of images).",
        "",
        "| population | images | n = 1 | n = 2 | n = 3 | n = 5 | n = 10 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    by_setting: dict[tuple[str, int], list[str]] = {}
    for one in outcome.accuracies:
        cell = " / ".join(f"{100 * rate:.0f}" if rate else "–" for rate in one.rates.values())
        by_setting.setdefault((one.setting, one.images), []).append(cell)
    return lines + [f"| {name} | {images:,} | {' | '.join(cells)} |" for (name, images), cells in by_setting.items()]


def _methods(outcome: Outcome) -> list[str]:
    lines = [
        "",
        "Lowest coverage of a difference over images and seeds, for ratios of the images' to the seeds' variance from "
        "0.1 to 10 (over all ratios), in %; the seeds' variance from 1 to 10⁹ times its floor:",
        "",
        f"| method | {' | '.join(f'n = {n}' for n in SEEDS)} |",
        f"| --- |{' ---: |' * len(SEEDS)}",
    ]
    for name in METHODS:
        cells = [f"{100 * one.within:.1f} ({100 * one.anywhere:.1f})" for one in outcome.methods if one.method == name]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    ratios = list(outcome.methods[0].widths)
    lines += ["", "Mean half-width over that of the paired t over seeds, n = 3 (n = 6), by that ratio:", ""]
    lines += [f"| method | {' | '.join(ratios)} |", f"| --- |{' ---: |' * len(ratios)}"]
    for name in METHODS:
        three, six = (next(one for one in outcome.methods if (one.method, one.n) == (name, n)) for n in (3, 6))
        cells = [f"{three.widths[ratio]:.2f} ({six.widths[ratio]:.2f})" for ratio in ratios]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _narrowest(outcome: Outcome) -> list[str]:
    bounds = list(next(iter(outcome.narrowest.values())))
    return [
        "",
        "The narrowest interval on fixed images that any method can give, over the paired t's, if the seeds' variance "
        "is at its floor, but 95 % have to be covered up to a multiple of it:",
        "",
        f"| n | {' | '.join(f'up to {bound}' for bound in bounds)} |",
        f"| ---: |{' ---: |' * len(bounds)}",
        *(f"| {n} | {' | '.join(f'{one[b]:.2f}' for b in bounds)} |" for n, one in outcome.narrowest.items()),
    ]


def _digits(outcome: Outcome) -> list[str]:
    if not outcome.digits:
        return []
    names = list(outcome.digits[0].rates)
    lines = [
        "",
        "Networks on digits (597 test images, 40 seeds; seeds and images resampled 500 times). Excess: the variance "
        "of the seeds over its floor. Ratio: of the images' to the seeds' part, and width over the paired t's: n = 3.",
        "",
        f"| what | mean | sd of seeds | excess | ratio | {' | '.join(names)} | width |",
        f"| --- |{' ---: |' * (5 + len(names))}",
    ]
    for one in outcome.digits:
        rates = " | ".join(f"{100 * one.rates[name]:.1f} %" for name in names)
        width = "–" if one.width is None else f"{one.width:.2f}"
        facts = f"{one.mean:.2f} | {one.seed_sd:.2f} | {one.excess:.1f} | {one.ratio:.2f}"
        lines.append(f"| {one.what} | {facts} | {rates} | {width} |")
    return lines


def main() -> None:
    """Simulate, print the tables, write the figures; exit with 1 if a promise is broken."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--studies", type=int, default=200, help="simulated studies per setting")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--skip-digits", action="store_true", help="train no networks")
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    began = time.perf_counter()
    outcome = simulate(chosen.studies, chosen.seed, not chosen.skip_digits)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    write_result({"seed": chosen.seed, **asdict(outcome)}, table(outcome), chosen.out)
    for promise in outcome.broken:
        print(f"broken: {promise}", file=sys.stderr)
    sys.exit(1 if outcome.broken else 0)


if __name__ == "__main__":
    main()
