"""Which way of executing steps finishes a trial soonest: tried out on the device, for the baseline of a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch import training_images
from cifar_sweep.tune.copies import Lap, together
from sweeps.workload import Site

TIMED_S = 2.0
WORTH = 0.05  # a gain below this share is within what such a short look can tell
TOLERANCES = {"fp32": 1e-3, "bf16": 1e-2}
"""By precision, how far a way's losses may be from the eager ones over the first steps, as a share of them: the order
of sums changes, and with it the last digits, which training magnifies."""
LEAST_S = {"graph": 10.0, "compile": 60.0}
"""Eager trials shorter than this are not worth trying a way for: the try itself takes about as long."""


@dataclass(frozen=True)
class Tried:
    """A way that was tried: the seconds that it takes to set up, and for each step; or why it is out of question."""

    way: str
    setup_s: float = 0.0
    step_s: float = math.inf
    reason: str = ""

    def trial_s(self, steps: int) -> float:
        """The seconds of a trial of so many steps; infinite where it is out of the question."""
        return math.inf if self.reason else self.setup_s + steps * self.step_s


@dataclass(frozen=True)
class Choice:
    """The way that was chosen, what was tried, and the choice in a sentence."""

    way: str
    tried: tuple[Tried, ...]
    note: str


def settle_execution(recipe: Recipe, site: Site, run: Callable[[str], Lap] | None = None) -> Choice:
    """What the execution of `recipe`, whose batch size is a number, stands for at `site`.

    Each way that may pay trains for seconds in a process of its own, so that none disturbs another or stays behind.
    `run` takes a way to its lap in place of that.
    """
    asked = recipe.execution
    if isinstance(recipe.model, HierarchicalRecipe):
        return Choice(
            "eager", (), "" if asked in ("auto", "eager") else f"execution: {asked} is eager: hierarchical model"
        )
    if site.device == "cpu" and run is None:
        return Choice(*(("eager", (), "execution: graph is eager on a CPU") if asked == "graph" else _as_on_cpu(asked)))
    if asked != "auto" or not site.measure:
        return Choice("eager" if asked == "auto" else asked, (), "")
    steps = recipe.epochs * (training_images(recipe, site)[0] // recipe.images_per_step)
    run = run or (lambda way: together(recipe.model_copy(update={"execution": way}), site, 1, TIMED_S)[0])
    plain = run("eager")
    if plain.failure:
        return Choice(
            "eager", (Tried("eager", reason=plain.failure),), f"execution: eager; the try failed: {plain.failure}"
        )
    tolerance = TOLERANCES[resolve_precision(recipe.precision, site.device)]
    tried = [_tried("eager", plain)]
    for way, least_s in LEAST_S.items():
        short = tried[0].trial_s(steps) < least_s
        reason = f"a trial takes eagerly under {least_s:g} s" if short else ""
        tried.append(Tried(way, reason=reason) if short else judged(way, run(way), plain, tolerance))
    return choose(tried, steps)


def judged(way: str, lap: Lap, plain: Lap, tolerance: float) -> Tried:
    """The `lap` of a way against the eager one: out of the question where it failed or has other losses."""
    if lap.failure:
        return Tried(way, reason=lap.failure)
    apart = difference(lap.losses, plain.losses)
    if not apart <= tolerance:
        return Tried(way, reason=f"its losses differ from the eager ones by {apart:.2g}, allowed {tolerance:g}")
    return _tried(way, lap)


def difference(losses: Sequence[float], plain: Sequence[float]) -> float:
    """The largest distance of a loss from the eager one, as a share of it; NaN where one of them is not finite."""
    shares = [abs(loss - true) / max(abs(true), 1e-6) for loss, true in zip(losses, plain, strict=True)]
    return max(shares) if all(map(math.isfinite, shares)) else math.nan


def choose(tried: Sequence[Tried], steps: int) -> Choice:
    """The way whose whole trial of so many `steps` is shortest; eager, the first, unless the gain is worth it."""
    eager = tried[0]
    fastest = min(tried, key=lambda each: each.trial_s(steps))
    chosen = fastest if fastest.trial_s(steps) < (1 - WORTH) * eager.trial_s(steps) else eager
    shown = "; ".join(_shown(each, steps) for each in tried)
    return Choice(chosen.way, tuple(tried), f"execution: auto is {chosen.way}, by a trial of {steps:,} steps: {shown}")


def _tried(way: str, lap: Lap) -> Tried:
    return Tried(way, max(0.0, lap.first_s - lap.step_s), lap.step_s)


def _as_on_cpu(asked: str) -> tuple[str, tuple[Tried, ...], str]:
    return ("eager" if asked == "auto" else asked, (), "")


def _shown(each: Tried, steps: int) -> str:
    if each.reason:
        return f"{each.way} not ({each.reason})"
    return f"{each.way} {each.trial_s(steps):.3g} s ({each.setup_s:.2g} s + {1000 * each.step_s:.3g} ms a step)"
