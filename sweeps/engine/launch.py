"""From a study file and the words of the command line to a finished run with its report."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from sweeps.artifacts.layout import ENVIRONMENT, STUDY_FILE
from sweeps.engine import execute as engine
from sweeps.engine.progress import Progress
from sweeps.evidence.importance_estimators import importances
from sweeps.io.disk import explained
from sweeps.io.errors import UserError
from sweeps.io.gc import paused
from sweeps.io.lock import driver_lock
from sweeps.prepare.environment import data_dir, gpu_count, grace_s
from sweeps.prepare.prepared import PreparedStudy, settle
from sweeps.prepare.smoke import shrink, with_smoke_models
from sweeps.pruners.factory import epochs_of
from sweeps.report import write
from sweeps.runners.protocol import TrialResources
from sweeps.runners.startup import starting
from sweeps.stages.schedule import RunRequest
from sweeps.storage import drift
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results, study_document, study_folder
from sweeps.study.resources import SHARING, with_share
from sweeps.study.sections import AUTO
from sweeps.study.stages import ABLATION, SEARCH, asked, stages_of
from sweeps.study.study import Study, diff
from sweeps.trial.trial import Status
from sweeps.validation.checks import accept
from sweeps.workload import Workload


class Stopped(BaseException):
    """A signal asked for the end outside the search; the text is its name."""


class Refused(UserError):
    """A request that cannot be carried out as given."""


@dataclass(frozen=True)
class Folders:
    """Where studies and reports are kept, and where the data is (None: where the platform keeps caches)."""

    runs: Path = Path("runs")
    reports: Path = Path("reports")
    data: Path | None = None


@dataclass(frozen=True)
class Options:
    """How a study is run."""

    folders: Folders = field(default_factory=Folders)
    runner: str = "ray"
    workers: int | None = None
    ray_address: str | None = None
    fresh: bool = False
    smoke: bool = False
    quiet: bool = False
    stage: str | None = None
    cache: bool = True
    open_again: bool = False
    accept_drift: bool = False


@dataclass(frozen=True)
class RunResult:
    """A run that has ended, one way or another; its report; and how many runs had ended before it.

    There is no report of a run that a signal has ended: whoever sent it does not wait.
    """

    finish: engine.StudyOutcome
    report: Path | None
    ended_before: int
    searched: bool  # whether the search was among the wanted stages


def resume_study(runs: Path, name: str) -> tuple[Study, Workload]:
    """The study called `name` as it was last run. Raises NotFound."""
    return accept(study_document(runs, name))


def launch(study: Study, workload: Workload, options: Options, name: str | None = None) -> RunResult:
    """Run or continue `study`, then write its report. `name` is its folder where that is not the study's own name.

    Raises UserError for what keeps it from being run; then nothing has been created or moved. Raises Stopped.
    """
    if options.smoke:
        study = with_smoke_models(shrink(study, workload), workload, options.folders.runs)
    wish = RunRequest(asked(study, options.stage), options.open_again)
    folder = study_folder(options.folders.runs, name or study.name)
    for written in (folder, options.folders.reports / folder.name):
        _require_writable(written)
    grace_s()  # what is wrong with it is told before anything runs
    with _stoppable(), explained(folder):
        known = None if options.fresh or options.smoke else _known(folder)
        changes = drift.of_file(diff(known.study, study)) if known is not None else []
        drift.require_accepted([each for each in changes if not each.acceptable], study.name, accepted=False)
        _require_earlier_stages(study, wish, known)
        finish = _run(study, workload, folder, known, changes, wish, options)
        report = write_report(finish.results, options.folders.reports) if finish.signal is None else None
    return RunResult(finish, report, _ended(known) if known else 0, SEARCH in wish.stages)


def _require_earlier_stages(study: Study, wish: RunRequest, known: Results | None) -> None:
    """Raise Refused where the wanted stages go on from a search that has finished no trial and is not wanted itself."""
    searched = SEARCH in stages_of(study)
    given = study.ablation is not None and study.ablation.baseline == "given"
    if not searched or SEARCH in wish.stages or (given and set(wish.stages) == {ABLATION}):
        return
    if known is None or not known.ranked():
        stage = wish.stages[0].name
        raise Refused(
            f"{study.name}: {stage} goes on from the best trial of the search, but no trial has finished; "
            f"run the search first, without --stage"
        )


def _ended(results: Results) -> int:
    return sum(trial.status is not Status.RUNNING for trial in results.everything)


def _run(
    study: Study,
    workload: Workload,
    folder: Path,
    known: Results | None,
    changes: Sequence[drift.Drift],
    wish: RunRequest,
    options: Options,
) -> engine.StudyOutcome:
    # A finished study needs no Ray to say so.
    done = known is not None and known.environment.get("complete") == engine.fingerprint(study, wish)
    environment = known.environment if known else {}
    cache = options.cache and not (options.fresh or options.smoke)
    progress = Progress(study, known, epochs_of(study, workload), quiet=options.quiet)

    def settled() -> PreparedStudy:
        runs, data = folder.parent.absolute(), data_dir(options.folders.data)
        return settle(study, workload, data, environment, runs, measuring=not options.smoke)

    # On a GPU speeds are measured, once: nothing else is to run meanwhile, and Ray is to know how trials share it.
    new = known is None or (study.resources.gpu == AUTO and SHARING not in environment)
    early = settled() if new and gpu_count() and study.resources.gpu != 0 else None
    shared = early.study if early is not None else with_share(study, environment)
    runner = starting("inline" if done else options.runner, _share(shared, options), options.ray_address)
    try:
        with progress:
            plan = early or settled()
            progress.on_settled(plan.study, plan.notes)
            found = [*changes, *drift.of_environment(environment, plan.environment)]
            if not done:  # where nothing is left to run, nothing is compared with what was
                drift.require_accepted(found, study.name, options.accept_drift)
            runner.ready()  # what keeps it from starting is to be known before anything is created or moved
            _make_room(folder, options)
            if options.smoke:
                plan = replace(plan, environment={**plan.environment, "smoke": True})
            # Workers may stand in another folder.
            accepted = [] if done else found
            return engine.run(plan, folder.absolute(), runner.ready, progress, wish, cache, accepted)
    finally:
        runner.close()


def write_report(results: Results, reports: Path) -> Path:
    """Write the report of a study into its folder below `reports`; the path of the page."""
    folder = reports / results.name
    with explained(folder), paused():
        return write(results, importances(results), folder)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Raise Stopped on SIGTERM and SIGUSR1 before and after the search, which has handlers of its own."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _share(study: Study, options: Options) -> TrialResources:
    return TrialResources(study.resources.cpu, study.resources.gpu_share if gpu_count() else 0.0, options.workers)


def _known(folder: Path) -> Results | None:
    """What an earlier run left in `folder`."""
    if not (folder / STUDY_FILE).exists():
        return None
    with driver_lock(folder):
        return open_results(folder.parent, folder.name, verified=False)  # the engine does that


def _make_room(folder: Path, options: Options) -> None:
    """Move an earlier run out of the way where it is to be started anew; a smoke run is not kept."""
    if not folder.exists() or not (options.fresh or options.smoke):
        return
    with driver_lock(folder):
        if options.smoke:
            _require_smoke(folder)
    if options.smoke:
        shutil.rmtree(folder)
        return
    number = next(n for n in range(1, 10_000) if not folder.with_name(f"{folder.name}.{n}").exists())
    folder.rename(folder.with_name(f"{folder.name}.{number}"))


def _require_smoke(folder: Path) -> None:
    """Raise Refused where `folder` is that of a study which is no smoke run."""
    file = folder / ENVIRONMENT
    kept = file.exists() and not json.loads(file.read_text(encoding="utf-8")).get("smoke")
    if kept:
        raise Refused(f"{folder} holds a study of its own, which a smoke run would replace; give one another name")


def _require_writable(folder: Path) -> None:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise Refused(f"cannot write to {folder}: {existing} is not a writable folder; choose another place")
