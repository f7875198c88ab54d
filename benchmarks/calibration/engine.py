"""Run whole studies of known truth through the public API, and compare what the engine says with the truth."""

from __future__ import annotations

import math
import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import alembic.util
from scipy import special
from scipy.stats import binom

import sweeps
from benchmarks.calibration import observe
from benchmarks.calibration.check import ERRORS
from benchmarks.calibration.scenarios import Promise, Scenario, pilot, scenarios
from benchmarks.synthetic_study import without_sync
from sweeps.engine import launch

MEMORY = Path("/dev/shm")  # a file system in memory, where there is one
ENOUGH = 100  # studies whose spread gives a standard error; with fewer it may be 0
SEEDS = 2_000_000  # for each --seed
_load_once = cache(alembic.util.load_python_file)
BIASES = {observe.BIAS, observe.TEST_BIAS, observe.IMAGES_BIAS}


@dataclass(frozen=True)
class Measurement:
    """A measure over all studies of a scenario.

    Attributes:
        scenario: The name of the scenario.
        setting: What is true and what is run, in words.
        name: The measure.
        studies: The number of studies.
        value: The mean: a share, or percentage points for a bias.
        error: Its standard error over the studies.
        promise: The promised range; None if the measure is only reported.
        shared: Whether a study has several values, such as one for each component, of which `value` is the mean.
    """

    scenario: str
    setting: str
    name: str
    studies: int
    value: float
    error: float
    promise: Promise | None
    shared: bool = False

    @classmethod
    def of(cls, scenario: Scenario, name: str, values: Sequence[float]) -> Measurement:
        """Return the mean of a measure over the studies."""
        error = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.inf
        promise = scenario.promises.get(name)
        shared = not set(values) <= {0.0, 1.0}
        return cls(scenario.name, scenario.text, name, len(values), fmean(values), error, promise, shared)

    @property
    def holds(self) -> bool:
        """Whether the measure is within its tolerance of the promised range."""
        if self.promise is None:
            return True
        low, high = self.promise.low, self.promise.high
        return low - self._tolerance(low, -1) <= self.value <= high + self._tolerance(high, 1)

    @property
    def text(self) -> str:
        """The value with its standard error."""
        if self.name == observe.PAIRS:
            return f"{self.value:.1f} ± {self.error:.1f}"
        if self.name in BIASES:
            return f"{self.value:+.3f} ± {self.error:.3f} pp"
        return f"{self.value:.1%} ± {self.error:.1%}"

    @property
    def promised(self) -> str:
        """The promise in words."""
        return self.promise.text if self.promise else "nothing"

    def _tolerance(self, bound: float, side: int) -> float:
        """How far beyond a bound, below (-1) or above it (1), is as improbable as three standard errors.

        That is exact for what happens or not, whose count is binomial at the bound.
        """
        tail = float(special.ndtr(-ERRORS))
        if self.name in BIASES or (self.shared and self.studies >= ENOUGH):
            # The error itself is estimated.
            return float(special.stdtrit(self.studies - 1, 1 - tail)) * self.error
        furthest = binom.isf(tail, self.studies, bound) if side > 0 else binom.ppf(tail, self.studies, bound)
        return abs(float(furthest) / self.studies - bound)


@dataclass(frozen=True)
class Calibration:
    """All measurements, and what could not be measured with this engine."""

    seed: int
    studies: int
    measurements: Sequence[Measurement]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> list[Measurement]:
        """The measurements outside of what was promised."""
        return [each for each in self.measurements if not each.holds]

    def plain(self) -> dict[str, Any]:
        """Return everything as plain data."""
        rows = [asdict(each) | {"holds": each.holds} for each in self.measurements]
        return {"studies": self.studies, "seed": self.seed, "measurements": rows, "skipped": dict(self.skipped)}

    def table(self) -> str:
        """Return the measurements as Markdown."""
        lines = [
            f"{self.studies:,} whole studies through the engine, seed {self.seed}; ± is one standard error over the "
            "studies. A promise is broken by more than three.",
            "",
            "| studies | measure | number | measured | promised | holds |",
            "| --- | --- | ---: | ---: | --- | --- |",
        ]
        shown = ""
        for each in self.measurements:
            verdict = ("yes" if each.holds else "**no**") if each.promise else "only reported"
            name = f"{each.scenario}: {each.setting}" if each.scenario != shown else ""
            lines.append(f"| {name} | {each.name} | {each.studies} | {each.text} | {each.promised} | {verdict} |")
            shown = each.scenario
        lines += ["", *(f"Not measured: {name}: {why}" for name, why in self.skipped.items())]
        return "\n".join(lines).rstrip() + "\n"


def calibrate(studies: int, seed: int, jobs: int, only: Iterable[str]) -> Calibration:
    """Run `studies` studies of each scenario named in `only`.

    Args:
        studies: The number of studies of each scenario.
        seed: Studies of different seeds are independent.
        jobs: The number of processes.
        only: The names of the scenarios.
    """
    wanted, measurements, skipped, ran = set(only), [], {}, 1
    with _mapping(jobs) as spread:
        ratio = spread(_detectable, [pilot()])[0]
        for place, scenario in enumerate(scenarios(ratio)):
            if scenario.name not in wanted:
                continue
            if why := _refused(scenario.study):
                skipped[scenario.name] = why
                continue
            first = seed * SEEDS + place * SEEDS // 20  # no two studies have a seed in common
            observed = spread(partial(_observe, scenario), range(first, first + studies))
            ran += len(observed)
            measurements += _measurements(scenario, observed)
    return Calibration(seed, ran, measurements, skipped)


@contextmanager
def cheap() -> Iterator[None]:
    """Make a study cheap: no report, nothing flushed to disk, and Optuna's migrations are imported once per process."""
    write_report, load_file = launch.write_report, alembic.util.load_python_file
    launch.write_report = lambda results, reports: reports
    alembic.util.load_python_file = _load_once
    try:
        with without_sync():
            yield
    finally:
        launch.write_report, alembic.util.load_python_file = write_report, load_file


@contextmanager
def finished(settings: Mapping[str, Any], seed: int) -> Iterator[sweeps.StudyResults]:
    """Run a study in a folder of its own and yield its results; the folder is removed afterwards."""
    baseline = {**settings["baseline"], "images": {"seed": seed}}
    with cheap(), tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        folders = {"runs_dir": f"{scratch}/runs", "reports_dir": f"{scratch}/reports", "data_dir": scratch}
        study = {**settings, "seed": seed, "baseline": baseline}
        outcome = sweeps.run(study, **folders, runner="inline", quiet=True, cache=False)
        if not outcome.complete:
            raise RuntimeError(f"study {seed} did not complete: {outcome.failure or outcome.missing}")
        yield outcome.results


def _observe(scenario: Scenario, seed: int) -> dict[str, float]:
    with finished(scenario.study, seed) as results:
        return dict(scenario.observe(results))


def _detectable(settings: Mapping[str, Any]) -> float:
    with finished(settings, 0) as results:
        return observe.detectable_over_sd(results.findings)


def _measurements(scenario: Scenario, observed: Sequence[Mapping[str, float]]) -> list[Measurement]:
    names = dict.fromkeys(name for each in observed for name in each)
    return [Measurement.of(scenario, name, [each[name] for each in observed if name in each]) for name in names]


def _refused(settings: Mapping[str, Any]) -> str:
    """Why this engine does not take the study; empty if it does."""
    try:
        sweeps.Study.from_dict(settings)
    except sweeps.StudyError as error:
        return " ".join(str(error).split())
    return ""


@contextmanager
def _mapping(jobs: int) -> Iterator[Any]:
    """Yield a function that maps over items, in this process or in several."""
    if jobs == 1:
        yield lambda function, items: [function(item) for item in items]
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield lambda function, items: list(pool.map(function, items, chunksize=4))
