"""Run a study from its definition to its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sweeps.engine import execute
from sweeps.engine.execute import RunResult
from sweeps.engine.folders import (
    begin_smoke_run,
    move_aside,
    previous_results,
    require_own,
    require_replaceable,
    require_report_folder,
    require_writable,
)
from sweeps.engine.outlook import outlook_of
from sweeps.engine.progress import Progress
from sweeps.engine.provenance import is_complete
from sweeps.engine.signals import Stopped, listening
from sweeps.engine.thumbnails import keep_thumbnails
from sweeps.evidence.importance_estimators import importances
from sweeps.io.disk import explained
from sweeps.io.errors import Refused
from sweeps.io.gc import paused
from sweeps.io.screen.working import working
from sweeps.prepare.devices.choice import DeviceChoice, begin_choice, choose_device
from sweeps.prepare.environment import data_dir, grace_s
from sweeps.prepare.prepared import PreparedStudy, settle
from sweeps.prepare.smoke import shrink, with_smoke_models
from sweeps.pruners.factory import epochs_of
from sweeps.report import save_report
from sweeps.runners.protocol import TrialResources
from sweeps.runners.startup import RunnerStartup, start_runner
from sweeps.storage import drift
from sweeps.storage.results import Results
from sweeps.storage.runs import study_folder
from sweeps.study.resources import SHARING, with_share
from sweeps.study.search.settled import settled
from sweeps.study.sections import AUTO
from sweeps.study.stages import ABLATION, SEARCH, RunRequest, requested_stages, stages_of
from sweeps.study.study import Study, diff
from sweeps.workload import Workload

CLOSE_S = 5.0  # how long a study that was stopped waits for its runner to close


@dataclass(frozen=True)
class Folders:
    """Where studies and reports are kept, and where the data is (None: the platform's cache folder)."""

    runs: Path = Path("runs")
    reports: Path = Path("reports")
    data: Path | None = None


@dataclass(frozen=True)
class Options:
    """How a study is run.

    Attributes:
        folders: Where studies, reports and data are.
        runner: "ray", or "inline" for this process.
        workers: How many trials run at once; by default as many as fit.
        ray_address: The Ray cluster to join; by default Ray is started on this machine.
        fresh: Begin anew; the earlier run's folder is kept as NAME.1.
        smoke: Run a small copy of the study, NAME-smoke, that replaces its last one.
        quiet: Show no progress.
        verbose: Print a line for each event and each epoch, on a terminal too.
        stage: Run this stage only.
        cache: Reuse finished runs of other studies of the runs folder.
        open_again: Allow a second opening of the test set by the same study.
        repeat: How many runs then repeat one of the incumbent, or of the baseline, with its own seed.
        accept_drift: Continue although code, data, a library or the device differs from the last run.
        command: How to repeat this run, for the provenance; by default this process's command line.
    """

    folders: Folders = field(default_factory=Folders)
    runner: str = "ray"
    workers: int | None = None
    ray_address: str | None = None
    fresh: bool = False
    smoke: bool = False
    quiet: bool = False
    verbose: bool = False
    stage: str | None = None
    cache: bool = True
    open_again: bool = False
    repeat: int = 0
    accept_drift: bool = False
    command: str = ""


def launch(study: Study, workload: Workload, options: Options, name: str | None = None) -> RunResult:
    """Run or continue a study, then write its report.

    Args:
        study: The study, checked against its workload.
        workload: What is trained.
        options: How it is run.
        name: The study's folder below the runs folder, if it is not the study's own name.

    Raises:
        UserError: Something keeps the study from running; then nothing has been created or moved.
        Stopped: A signal arrived before the first trial or while the report was written; KeyboardInterrupt for SIGINT.
        RunnerLost: The runner did not come up, or has died; the study goes on when it is run again.
    """
    if options.smoke:
        study = with_smoke_models(shrink(study, workload), workload, options.folders.runs)
    request = RunRequest(requested_stages(study, options.stage), options.open_again, options.repeat)
    folder = study_folder(options.folders.runs, name or study.name)
    for written in (folder, options.folders.reports / folder.name):
        require_writable(written)
    (require_replaceable if options.smoke else require_own)(folder)
    require_report_folder(options.folders.reports / folder.name)
    grace_s()  # a bad value is refused before anything runs
    begin_choice(study)
    with listening(), explained(folder):
        with working("reading the study's records", quiet=options.quiet):
            previous = None if options.fresh or options.smoke else previous_results(folder)
        changes = _changes(previous, study)
        command = drift.last_command(previous.environment) if previous is not None else ""
        unacceptable = [each for each in changes if not each.acceptable]
        drift.require_accepted(unacceptable, study.name, accepted=False, command=command)
        _require_earlier_stages(study, request, previous)
        result = _run(study, workload, folder, previous, changes, request, options)
        with working("writing the report", quiet=options.quiet):
            report = write_report(result.results, options.folders.reports) if result.signal is None else None
    ended_before = previous.ended if previous else 0
    return replace(result, report=report, ended_before=ended_before, searched=SEARCH in request.stages)


def _changes(previous: Results | None, study: Study) -> list[drift.Drift]:
    """What the study file has changed that the recorded trials depend on. What is settled counts as written."""
    if previous is None:
        return []
    before, now = (settled(each, previous.environment) for each in (previous.study, study))
    return drift.of_file(diff(before, now))


def write_report(results: Results, reports: Path) -> Path:
    """Write the report of a study into its folder below `reports`. Returns the path of the page."""
    folder = reports / results.name
    require_report_folder(folder)
    with explained(folder), paused():
        return save_report(results, importances(results), folder)


def _require_earlier_stages(study: Study, request: RunRequest, previous: Results | None) -> None:
    """Raise Refused where the requested stages need a completed trial of a search that is not requested itself."""
    searched = SEARCH in stages_of(study)
    given = study.ablation is not None and study.ablation.baseline == "given"
    if not searched or SEARCH in request.stages or (given and set(request.stages) == {ABLATION}):
        return
    if previous is None or not previous.ranked():
        stage = request.stages[0].name
        raise Refused(
            f"{study.name}: {stage} goes on from the best trial of the search, but no trial has finished; "
            f"run the search first, without --stage"
        )


def _run(
    study: Study,
    workload: Workload,
    folder: Path,
    previous: Results | None,
    changes: Sequence[drift.Drift],
    request: RunRequest,
    options: Options,
) -> RunResult:
    """Prepare the study while its runner starts, check that it is the study of before, and run it."""
    environment = previous.environment if previous else {}
    # A finished study needs neither Ray nor its device to say so, and nothing is compared with its last run.
    done = previous is not None and is_complete(previous, study, request)
    kind = "inline" if done else options.runner
    with working("looking for the device", quiet=options.quiet):
        choice = DeviceChoice(environment.get("device", "cpu")) if done else _device(study, options)
    percentages, epochs = workload.percentages(), epochs_of(study, workload)
    progress = Progress(
        study,
        previous,
        epochs,
        percentages=percentages,
        device=choice.device,
        quiet=options.quiet,
        verbose=options.verbose,
    )
    with _runner(study, environment, kind, choice, options, progress.on_note) as start, progress:
        prepared = _prepare(study, workload, folder, environment, choice, options, progress.on_prepare, done=done)
        progress.on_settled(prepared.study, prepared.notes)
        if done:
            prepared = replace(prepared, environment=drift.as_trained(environment, prepared.environment))
        compared = previous is not None and not done and previous.measured
        moved = drift.of_environment(environment, prepared.environment) if compared else []
        differences = [] if done else [*changes, *moved]
        drift.require_accepted(differences, study.name, options.accept_drift, drift.last_command(environment))
        runner = start(prepared.study)
        if not done:
            progress.on_outlook(outlook_of(prepared, request, 1 if kind == "inline" else options.workers))
        progress.on_prepare("starting Ray" if kind == "ray" else "starting")
        runner.ready()  # what keeps it from starting is told before anything is created or moved
        if options.smoke:
            begin_smoke_run(folder)
        elif options.fresh:
            move_aside(folder)
        cache = options.cache and not (options.fresh or options.smoke)
        if kind == "ray":
            progress.on_prepare("starting the workers, which import the workload and read the data")
        # Workers may have another current folder than the driver.
        result = execute.run(prepared, folder.absolute(), runner.ready, progress, request, cache, differences)
        if result.signal is None:
            keep_thumbnails(prepared, result.results, progress.on_note)
        return result


def _device(study: Study, options: Options) -> DeviceChoice:
    cluster = options.ray_address if options.runner == "ray" else None
    return choose_device(study, training=not options.smoke, cluster=cluster)


def _prepare(
    study: Study,
    workload: Workload,
    folder: Path,
    environment: Mapping[str, Any],
    choice: DeviceChoice,
    options: Options,
    notify: Callable[[str], None],
    *,
    done: bool,
) -> PreparedStudy:
    runs, data = folder.parent.absolute(), data_dir(options.folders.data)
    prepared = settle(
        study,
        workload,
        data,
        environment,
        runs,
        choice=choice,
        workers=options.workers,
        measuring=not options.smoke,
        check_test=not done,
        notify=notify,
    )
    command = {"command": options.command} if options.command else {}
    return replace(prepared, environment={**prepared.environment, **command})


@contextmanager
def _runner(
    study: Study,
    environment: Mapping[str, Any],
    kind: str,
    choice: DeviceChoice,
    options: Options,
    notify: Callable[[str], None],
) -> Iterator[Callable[[Study], RunnerStartup]]:
    """Start the runner at once where that is safe. Yields a function from the prepared study to the runner."""
    started: list[RunnerStartup] = []

    def start(prepared: Study) -> RunnerStartup:
        if not started:
            gpu = prepared.resources.gpu_share if choice.device != "cpu" else 0.0
            resources = TrialResources(prepared.resources.cpu, gpu, options.workers, choice.count)
            started.append(start_runner(kind, resources, options.ray_address, notify))
        return started[0]

    # On a GPU speeds are measured once per study: nothing else may run meanwhile, and Ray needs the measured share.
    new = not environment or (study.resources.gpu == AUTO and SHARING not in environment)
    if choice.device == "cpu" or not new:
        start(with_share(study, environment))
    wait_s = None
    try:
        yield start
    except (Stopped, KeyboardInterrupt):
        wait_s = CLOSE_S  # Ray may be starting, and nobody waits for that
        raise
    finally:
        for runner in started:
            runner.close(wait_s)
