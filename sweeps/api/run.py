"""Run a study and hand back how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.api.results import StudyResults
from sweeps.api.study import Study
from sweeps.engine.execute import RunResult
from sweeps.engine.launch import Folders, Options, launch
from sweeps.runners.startup import RUNNERS


@dataclass(frozen=True)
class StudyOutcome:
    """How a run of a study ended.

    Attributes:
        results: What the study has found so far.
        complete: Whether nothing is left to do and no run is missing.
        failure: Why the study gave up; empty if it did not.
        missing: What a study that has nothing left to run lacks, such as runs that failed; a clause for each stage. The
            next run makes them again.
        signal: The name of the signal that ended the run early, such as "SIGTERM"; empty if none did.
        exhausted: The stage at which the whole budget was spent; empty if it was not.
        cut: The stages that ended at their share of the budget.
        device_hours: What the whole study has spent, earlier runs included.
        new_runs: How many trials ended in this run.
        searched: Whether the search was among the requested stages.
        report: The page of the report; None after a signal.
    """

    results: StudyResults
    complete: bool
    failure: str
    missing: tuple[str, ...]
    signal: str
    exhausted: str
    cut: tuple[str, ...]
    device_hours: float
    new_runs: int
    searched: bool
    report: Path | None

    @classmethod
    def of(cls, result: RunResult) -> StudyOutcome:
        """Return the outcome that the engine's result stands for."""
        results = StudyResults(result.results)
        return cls(
            results=results,
            complete=result.complete,
            failure=result.failure,
            missing=result.missing,
            signal=result.signal.name if result.signal is not None else "",
            exhausted=result.exhausted,
            cut=result.cut,
            device_hours=result.spent,
            new_runs=results.ended - result.ended_before,
            searched=result.searched,
            report=result.report,
        )


def run(
    study: Study | str | Path | Mapping[str, Any],
    *,
    runs_dir: str | Path = "runs",
    reports_dir: str | Path = "reports",
    data_dir: str | Path | None = None,
    runner: str = "ray",
    workers: int | None = None,
    ray_address: str | None = None,
    stage: str | None = None,
    fresh: bool = False,
    smoke: bool = False,
    cache: bool = True,
    open_again: bool = False,
    repeat: int = 0,
    accept_drift: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    name: str | None = None,
    command: str | None = None,
) -> StudyOutcome:
    """Run or continue a study to its end, then write its report.

    A study that was interrupted continues where it stopped; one that is complete is only reported. It may be called
    from any thread, and repeatedly in a process; signals are handled in the main thread only.

    Args:
        study: A `Study`, the path of a study file, or the data of one.
        runs_dir: The folder of all studies.
        reports_dir: The folder of the reports.
        data_dir: The data folder; by default `$SWEEP_DATA` or the platform's cache folder.
        runner: "ray", or "inline" to train in this process, one trial at a time.
        workers: How many trials run at once; by default as many as fit.
        ray_address: A Ray cluster to join; by default Ray is started on this machine and stopped at the end.
        stage: Run this stage only.
        fresh: Begin anew; the earlier run's folder is kept as NAME.1.
        smoke: Run a small copy of the study, NAME-smoke.
        cache: Reuse finished runs of other studies in `runs_dir`.
        open_again: Allow a second opening of the test set by this study.
        repeat: When the stages are done, train one run of the incumbent (else of the baseline, or the best trial)
            again, this many times, with the very same recipe and seed: the report says how far such runs differ.
        accept_drift: Continue although code, data, a library or the device differs from the last run.
        quiet: Show no progress.
        verbose: Print a line for each event and each epoch, on a terminal too.
        name: The study's folder in `runs_dir`, if it is not the study's own name.
        command: How to repeat this run, for the report; by default a call that loads the study from `runs_dir`.

    Returns:
        How the run ended. A study that failed or ran out of budget is an outcome, not an exception.

    Raises:
        UserError: The study cannot be run as requested: mistakes, missing data, constraints that nothing satisfies,
            drift, a damaged storage, a runner that cannot be started as requested.
        ValueError: There is no runner of this name, or `repeat` is negative.
        OSError: The disk is full or read-only (`Unwritable`), or Ray did not come up or has died (`RunnerLost`).
            What was recorded is kept.
        KeyboardInterrupt: A signal arrived more than a second after the first one; or SIGINT before the first trial, or
            while the report was written.
        Stopped: The same for SIGTERM, SIGHUP and SIGUSR1.

    Example:
        >>> outcome = sweeps.run("studies/quickstart.yaml", runner="inline")
        >>> outcome.results.best.recipe["optimizer"]["lr"]
    """
    if not isinstance(study, Study):
        study = Study.from_dict(study) if isinstance(study, Mapping) else Study.from_file(study)
    options = Options(
        folders=Folders(
            Path(runs_dir).expanduser(),
            Path(reports_dir).expanduser(),
            Path(data_dir) if data_dir is not None else None,
        ),
        runner=_checked(runner),
        workers=workers,
        ray_address=ray_address,
        fresh=fresh,
        smoke=smoke,
        quiet=quiet,
        verbose=verbose,
        stage=stage,
        cache=cache,
        open_again=open_again,
        repeat=_natural(repeat),
        accept_drift=accept_drift,
        command=command or f"sweeps.run(sweeps.Study.from_run({name or study.name!r}, {str(runs_dir)!r}))",
    )
    return StudyOutcome.of(launch(study.definition, study.workload, options, name))


def _natural(repeat: int) -> int:
    if repeat < 0:
        raise ValueError(f"repeat must be 0 or more but is {repeat}")
    return repeat


def _checked(runner: str) -> str:
    if runner not in RUNNERS:
        raise ValueError(f"runner must be one of {', '.join(RUNNERS)} but is {runner!r}")
    return runner
