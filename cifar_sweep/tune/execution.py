"""Choose the way of executing steps that finishes a trial soonest, by trying it for a study's baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cifar_sweep.inference.precision import resolve_precision
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size.batch import training_images
from cifar_sweep.tune.copies import CopyResult, train_copies
from sweeps.workload import Site

TIMED_S = 2.0
LEAST_GAIN = 0.05  # of a trial's seconds; a smaller gain is within the error of such a short try
TOLERANCES = {"fp32": 1e-3, "tf32": 5e-3, "fp16": 5e-3, "bf16": 1e-2}
"""By precision, how far a way's losses may be from the eager ones over the first steps, as a share of them: the order
of sums changes, and with it the last digits, which training magnifies."""
WITHOUT_GRAPHS = {"graph": "eager", "compiled_graph": "compile"}  # what becomes of them on a device without graphs
LEAST_S = {"graph": 10.0, "compile": 60.0, "compiled_graph": 60.0}
"""By way, the seconds of an eager trial below which the way is not tried: the try itself takes about as long."""


@dataclass(frozen=True)
class Candidate:
    """A way of executing steps, as it was tried.

    Attributes:
        way: Its name.
        setup_s: Seconds to set it up, by capturing or compiling.
        step_s: Seconds per step.
        reason: Why it cannot be chosen; empty if it can.
    """

    way: str
    setup_s: float = 0.0
    step_s: float = math.inf
    reason: str = ""

    def trial_s(self, steps: int) -> float:
        """Return the seconds of a trial of `steps` steps; infinite where the way cannot be chosen."""
        return math.inf if self.reason else self.setup_s + steps * self.step_s


@dataclass(frozen=True)
class Choice:
    """The way that was chosen.

    Attributes:
        way: Its name.
        candidates: The ways that were considered, eager first; empty where nothing was tried.
        note: The choice in a sentence; empty where it needs none.
    """

    way: str
    candidates: tuple[Candidate, ...]
    note: str


def settle_execution(recipe: Recipe, site: Site, try_way: Callable[[str], CopyResult] | None = None) -> Choice:
    """Settle the `execution` of a recipe for a device.

    Each way that may pay is trained for seconds in a process of its own, so that it neither disturbs another nor leaves
    anything behind.

    Args:
        recipe: The recipe; its `batch_size` must be a number.
        site: The device and the folder of the data.
        try_way: Returns the result of training in a way, in place of a process.
    """
    setting = recipe.execution
    if isinstance(recipe.model, HierarchicalRecipe):
        is_eager = setting in ("auto", "eager")
        return Choice("eager", (), "" if is_eager else f"execution: {setting} is eager: hierarchical model")
    if site.device != "cuda" and try_way is None:
        return _choice_without_graphs(setting, site.device)
    if setting != "auto" or not site.measure:
        return Choice("eager" if setting == "auto" else setting, (), "")
    steps = recipe.epochs * (training_images(recipe, site)[0] // recipe.images_per_step)
    try_way = try_way or (lambda way: train_copies(recipe.model_copy(update={"execution": way}), site, 1, TIMED_S)[0])
    eager_result = try_way("eager")
    if eager_result.failure:
        candidates = (Candidate("eager", reason=eager_result.failure),)
        return Choice("eager", candidates, f"execution: eager; the try failed: {eager_result.failure}")
    tolerance = TOLERANCES[resolve_precision(recipe.precision, site.device)]
    eager = _candidate("eager", eager_result)
    others = [
        Candidate(way, reason=f"an eager trial takes under {least_s:g} s")
        if eager.trial_s(steps) < least_s
        else assess(way, try_way(way), eager_result, tolerance)
        for way, least_s in LEAST_S.items()
    ]
    return choose([eager, *others], steps)


def assess(way: str, result: CopyResult, eager: CopyResult, tolerance: float) -> Candidate:
    """Return the candidate for a way from its result; it cannot be chosen if it failed or its losses differ.

    Args:
        way: The way's name.
        result: Its result.
        eager: The eager result.
        tolerance: How far its losses may be from the eager ones, as a share of them.
    """
    if result.failure:
        return Candidate(way, reason=result.failure)
    share = difference(result.losses, eager.losses)
    if not share <= tolerance:  # NaN fails too
        return Candidate(way, reason=f"its losses differ from the eager ones by {share:.2g}, allowed {tolerance:g}")
    return _candidate(way, result)


def difference(losses: Sequence[float], eager_losses: Sequence[float]) -> float:
    """Return the largest distance of a loss from the eager one, as a share of it; NaN where one is not finite."""
    shares = [abs(loss - eager) / max(abs(eager), 1e-6) for loss, eager in zip(losses, eager_losses, strict=True)]
    return max(shares) if all(map(math.isfinite, shares)) else math.nan


def choose(candidates: Sequence[Candidate], steps: int) -> Choice:
    """Choose the way with the shortest trial; eager, the first candidate, unless the gain is at least 5 %.

    Args:
        candidates: The ways, eager first.
        steps: Number of steps of a trial.
    """
    eager = candidates[0]
    fastest = min(candidates, key=lambda candidate: candidate.trial_s(steps))
    is_worth_it = fastest.trial_s(steps) < (1 - LEAST_GAIN) * eager.trial_s(steps)
    way = (fastest if is_worth_it else eager).way
    details = "; ".join(_described(candidate, steps) for candidate in candidates)
    return Choice(way, tuple(candidates), f"execution: auto is {way}, by a trial of {steps:,} steps: {details}")


def _candidate(way: str, result: CopyResult) -> Candidate:
    return Candidate(way, max(0.0, result.first_s - result.step_s), result.step_s)


def _choice_without_graphs(setting: str, device: str) -> Choice:
    if setting in WITHOUT_GRAPHS:
        way = WITHOUT_GRAPHS[setting]
        return Choice(way, (), f"execution: {setting} is {way} on {'a CPU' if device == 'cpu' else device}")
    return Choice("eager" if setting == "auto" else setting, (), "")


def _described(candidate: Candidate, steps: int) -> str:
    if candidate.reason:
        return f"{candidate.way} not ({candidate.reason})"
    times = f"{candidate.setup_s:.2g} s + {1000 * candidate.step_s:.3g} ms a step"
    return f"{candidate.way} {candidate.trial_s(steps):.3g} s ({times})"
