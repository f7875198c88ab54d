"""Run or continue a prepared study: lock it, reconcile its storage, train, record how it ended."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import REPEATS, STUDY_FILE
from sweeps.engine.provenance import fingerprint, now, provenance, record_environment, recording_endings
from sweeps.engine.signals import listening
from sweeps.evidence.ending import Ending, How, shortfalls
from sweeps.formatting import device_time
from sweeps.io.disk import explained
from sweeps.io.errors import GO_ON, UserError
from sweeps.io.files import write_atomic
from sweeps.io.lock import driver_lock
from sweeps.prepare.environment import grace_s
from sweeps.prepare.prepared import PreparedStudy
from sweeps.runners.protocol import Runner, RunnerLost
from sweeps.samplers.warm_start import store
from sweeps.stages.base import UnknownMetric
from sweeps.stages.budget import DeviceBudget
from sweeps.stages.context import Context, Observer
from sweeps.stages.schedule import StudyScheduler
from sweeps.storage.drift import Drift
from sweeps.storage.result_cache import ResultCache
from sweeps.storage.results import COMPLETE, ENDED, Results
from sweeps.storage.study_storage import StudyStorage
from sweeps.study.stages import RunRequest
from sweeps.workload.references import References


@dataclass(frozen=True)
class RunResult:
    """How a run of a study ended.

    Attributes:
        results: What the study has recorded so far.
        signal: The signal that ended the run early, if one did.
        failure: Why the study gave up; empty if it did not.
        stage: The stage under way at the end, or the one that could not begin; empty if none was.
        missing: What a study that has nothing left to run lacks, such as runs that failed; a clause for each stage.
        exhausted: The stage at which the whole budget was spent; empty if it was not.
        cut: The stages that ended at their share of the budget.
        spent: Device-hours of the whole study, earlier runs included.
        report: The report's page; None after a signal, whose sender does not wait for a report.
        ended_before: How many trials had ended before this run.
        searched: Whether the search was among the requested stages.
    """

    results: Results
    signal: signal.Signals | None = None
    failure: str = ""
    stage: str = ""
    missing: tuple[str, ...] = ()
    exhausted: str = ""
    cut: tuple[str, ...] = ()
    spent: float = 0.0
    report: Path | None = None
    ended_before: int = 0
    searched: bool = False

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.ending.how is How.COMPLETE

    @property
    def ending(self) -> Ending:
        """How the run ended, as the study's provenance records it."""
        if self.signal is not None:
            return Ending(How.INTERRUPTED, f"stopped by {self.signal.name}", self.stage, now())
        if self.failure:
            return Ending(How.ABORTED, self.failure, self.stage, now())
        if self.exhausted:
            spent = device_time(self.spent, self.results.environment.get("device", "cpu"))
            why = f"the stage {self.exhausted} has no budget left for another run ({spent} spent)"
            return Ending(How.OUT_OF_BUDGET, why, self.exhausted, now())
        if self.missing:
            return Ending(How.INCOMPLETE, "; ".join(self.missing), self.stage, now())
        return Ending(How.COMPLETE, at=now())


def run(
    prepared: PreparedStudy,
    folder: Path,
    runner: Callable[[], Runner],
    observer: Observer,
    request: RunRequest,
    cache: bool = True,
    accepted: Sequence[Drift] = (),
) -> RunResult:
    """Run or continue the requested stages of a study to their end, or until a signal.

    Args:
        prepared: The study, prepared for this machine.
        folder: The study's folder.
        runner: Returns the runner once it is up; not called where nothing is left to run.
        observer: Follows the run.
        request: The stages to run.
        cache: Whether finished runs of other studies in the same runs folder are reused.
        accepted: What differs from the study's last run and was accepted; later runs and the report say so.

    Raises:
        UserError: None of the requested stages can begin, or the workload does not yield the study's metric.
        Unwritable: The folder cannot be written.
    """
    new = not folder.exists()
    try:
        return _run(prepared, folder, runner, observer, request, cache, accepted)
    except UnknownMetric:
        if new:  # a study cannot change its metric once it has begun, and nothing was measured in this one
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _run(
    prepared: PreparedStudy,
    folder: Path,
    runner: Callable[[], Runner],
    observer: Observer,
    request: RunRequest,
    cache: bool,
    accepted: Sequence[Drift],
) -> RunResult:
    with explained(folder), _locked(folder):
        file = folder / STUDY_FILE
        earlier_text = file.read_text(encoding="utf-8") if file.exists() else None
        storage = StudyStorage.open(folder, prepared.written)
        try:
            storage.reconcile()
            if accepted:  # a run must not be trained half before and half after the change
                storage.give_up_unfinished("begun before a change that was accepted")
            previous = storage.environment()
            environment = provenance(previous, prepared.environment, accepted)
            if prepared.duplicates is not None:
                prepared.duplicates.store(folder)
            if prepared.earlier:
                store(folder, prepared.earlier)
            storage.write_environment(environment)
            storage.stop_file.unlink(missing_ok=True)
            context = _context(prepared, storage, environment, observer, cache)
            with recording_endings(storage, environment, previous):
                result = _train(StudyScheduler(context, request, environment), storage, runner, request, previous)
            result = replace(result, spent=context.budget.spent)
            ended: dict[str, Any] = {ENDED: result.ending.plain()}
            if result.complete:
                ended[COMPLETE] = fingerprint(prepared.written, request)
            record_environment(storage, {**environment, **ended})
            return replace(result, results=replace(result.results, environment={**environment, **ended}))
        except UserError:
            if earlier_text is not None:  # the study does not become what was refused
                write_atomic(file, earlier_text)
            raise
        finally:
            storage.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with driver_lock(folder):
        yield


def _context(
    prepared: PreparedStudy, storage: StudyStorage, environment: Mapping[str, Any], observer: Observer, cache: bool
) -> Context:
    stages = [storage.search, *(storage.stage(name) for name in storage.begun())]
    unfinished = {
        stage.stage: sum(stage.device_seconds(number) for number, _ in stage.unfinished()) for stage in stages
    }
    runs_dir = storage.folder.parent
    references = References(prepared.workload, runs_dir)
    return Context(
        study=prepared.study,
        workload=prepared.workload,
        site=prepared.site,
        gate=prepared.gate,
        storage=storage,
        cache=ResultCache(runs_dir, environment, cache, references),
        references=references,
        budget=DeviceBudget(prepared.study, prepared.site.device, storage.results(), unfinished),
        observer=observer,
        drift=len(environment.get("drift", ())),
    )


def _train(
    scheduler: StudyScheduler,
    storage: StudyStorage,
    runner: Callable[[], Runner],
    request: RunRequest,
    previous: Mapping[str, Any],
) -> RunResult:
    first: signal.Signals | None = None
    done = scheduler.done
    earlier = Ending.of(previous)
    # This start has spent nothing. What ended the run before in the same way is no mistake of this request.
    if scheduler.refusal and (earlier is None or earlier.why != scheduler.failure):
        raise scheduler.refusal
    if not done and not scheduler.failure:
        first = _drive(scheduler, runner())
    if scheduler.mistake:
        raise scheduler.mistake
    failure = scheduler.failure
    if not (failure or first or scheduler.exhausted or scheduler.done):
        failure = f"the runner ended before the study was done; {GO_ON}"
    results = storage.results()
    asked = [*(stage.name for stage in request.stages), *([REPEATS] if request.repeat else [])]
    missing = [*scheduler.gave_up, *shortfalls(results, asked)]
    return RunResult(
        results,
        signal=first,
        failure=failure,
        stage=scheduler.stage,
        missing=tuple(missing),
        exhausted=scheduler.exhausted,
        cut=tuple(scheduler.cut_stages),
    )


def _drive(scheduler: StudyScheduler, runner: Runner) -> signal.Signals | None:
    """Train until the scheduler or the first signal ends it, within its grace. Return that signal."""
    grace = grace_s()

    def stop(number: signal.Signals) -> None:
        scheduler.interrupt(number.name, grace)
        runner.interrupt(grace)

    with listening() as signals, signals.gracefully(stop):  # after Ray is up, whose own handler aborts
        try:
            runner.run(scheduler)
        except RunnerLost:
            if signals.first is None:  # otherwise the signal went to all processes of the job
                raise
    return signals.first
