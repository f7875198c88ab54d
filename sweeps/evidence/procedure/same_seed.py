"""The spread of runs of one recipe and one seed: zero where a seed fixes everything, as on a CPU; not so on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import stdev

from sweeps.artifacts.layout import REPEATS, SEARCH
from sweeps.evidence.level import VALUE, level
from sweeps.formatting import count, metric_format
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial


@dataclass(frozen=True)
class SameSeed:
    """Runs of one recipe and one seed.

    Attributes:
        arm: The recipe.
        source: The run that was repeated, as stage/number; empty if it is gone.
        values: The metric of each run, the repeated one first.
        identical: Whether the metric was the same in every epoch of every run.
        seed_sd: The standard deviation between runs of the recipe with different seeds; None below two.
        seeds: The number of those runs.
    """

    arm: Arm
    source: str
    values: tuple[float, ...]
    identical: bool
    seed_sd: float | None = None
    seeds: int = 0

    @property
    def sd(self) -> float:
        """The standard deviation of `values`."""
        return stdev(self.values)

    @property
    def largest(self) -> float:
        """The largest difference between two of `values`."""
        return max(self.values) - min(self.values)


def same_seed(results: Results) -> SameSeed | None:
    """Return the spread over one seed; None without two runs of one recipe and seed."""
    stage = results.stages.get(REPEATS)
    if stage is None or not stage.arms:
        return None
    arm = stage.arms[0]
    repeats = [run for _, run in sorted(stage.replicates(arm).items()) if run.status is Status.COMPLETE]
    source = _source(results, repeats)
    runs = [*([source] if source else []), *repeats]
    values = tuple(run.value for run in runs if run.value is not None)
    if len(values) < 2:
        return None
    place = f"{source.stage}/{source.number}" if source else ""
    identical = all(run.curve == runs[0].curve for run in runs)
    return SameSeed(arm, place, values, identical, *_between_seeds(results, arm, source))


def same_seed_sentences(results: Results) -> list[str]:
    """Return how far runs of one seed differ, beside the spread over seeds; empty where none was repeated."""
    found, words = same_seed(results), metric_format(results.study.metric, results.percentages)
    if found is None:
        return []
    if found.largest == 0:
        runs = f"{count(len(found.values), 'run')} of {found.arm.name} with the same seed"
        return [f"The seed fixes a run here: {runs} have the same {words.label}{_throughout(found)}."]
    sd, largest = words.gap(found.sd, found.sd), words.gap(found.largest, found.largest)
    text = (
        f"One seed does not fix a run here: over {count(len(found.values), 'run')} of {found.arm.name} with the same "
        f"seed {words.label} has a standard deviation of {sd} (largest difference {largest})"
    )
    if found.seed_sd is not None:
        text += f", over {count(found.seeds, 'seed')} one of {words.gap(found.seed_sd, found.seed_sd)}"
    return [f"{text}."]


def same_seed_line(results: Results) -> str:
    """Return the spread over one seed in a few words, for the provenance; empty without repeats."""
    found, words = same_seed(results), metric_format(results.study.metric, results.percentages)
    if found is None:
        return ""
    runs = f"{count(len(found.values), 'run')} of {found.arm.name} with the seed of {found.source or 'one run'}"
    if found.largest > 0:
        return f"standard deviation {words.gap(found.sd, found.sd)} over {runs}"
    return f"0 over {runs}" + (", the same in every epoch" if found.identical else "")


def _throughout(found: SameSeed) -> str:
    return " in every epoch" if found.identical else " at their end, though not in every epoch"


def _source(results: Results, repeats: list[Trial]) -> Trial | None:
    """The run that was repeated: the one with the same seed, for no two runs of a study share one across its arms."""
    seeds = {run.seed for run in repeats}
    recipes = {run.recipe for run in repeats}
    others = (run for run in results.everything if run.stage != REPEATS and run.status is Status.COMPLETE)
    return next((run for run in others if run.seed in seeds and (run.stage == SEARCH or run.recipe in recipes)), None)


def _between_seeds(results: Results, arm: Arm, source: Trial | None) -> tuple[float | None, int]:
    stage: StageResults | None = results.stages.get(source.stage) if source else None
    values = list(level(stage, arm, VALUE).values.values()) if stage else []
    return (stdev(values), len(values)) if len(values) > 1 else (None, 0)
