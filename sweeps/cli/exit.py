"""How a command ends: what is printed, and the exit code."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sweeps.engine.launch import Options, RunResult
    from sweeps.storage.results import Results
    from sweeps.study.study import Study
    from sweeps.workload import Workload

COMPLETE, FAILED, BAD_INPUT, RESUMABLE, INTERRUPTED = 0, 1, 2, 75, 130
GO_ON = "run the same command again to go on"


def carry_out(study: Study, workload: Workload, options: Options, as_json: bool, name: str | None = None) -> None:
    """Run a study, print what it found, and end with the exit code that says how it went."""
    from sweeps.engine.launch import Stopped, launch
    from sweeps.io.errors import visible
    from sweeps.validation.warnings import warnings

    for warning in warnings(study):
        typer.echo(f"warning: {warning}", err=True)
    try:
        launched = launch(study, workload, options, name)
    except KeyboardInterrupt:
        typer.echo(f"stopped at once; {GO_ON}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except Stopped as stopped:
        typer.echo(f"stopped by {stopped}; {GO_ON}", err=True)
        raise typer.Exit(RESUMABLE) from None
    results, finish = launched.finish.results, launched.finish
    if finish.signal is not None:
        typer.echo(f"stopped by {finish.signal.name}; {GO_ON}", err=True)
        raise typer.Exit(RESUMABLE)
    if as_json:
        print_json({**summary(results), "report": str(launched.report), "complete": finish.complete})
    else:
        _conclude(launched)
    if finish.failure:
        typer.echo(f"error: {visible(finish.failure)}", err=True)
        raise typer.Exit(FAILED)
    if finish.exhausted:
        limit = f"budget.gpu_hours is {results.study.budget.gpu_hours:g}"
        why = f"the stage {finish.exhausted} has no budget left for another run ({limit}, {finish.spent:.3g} spent)"
        typer.echo(f"stopped: {why}; raise it to go on", err=True)
        raise typer.Exit(RESUMABLE)


def show_best(results: Results) -> None:
    """Print what a study has found so far: the evidence, then the best of the search."""
    from sweeps.cli import tables as terminal
    from sweeps.io.errors import visible
    from sweeps.report import sentences

    for sentence in sentences(results):
        typer.echo(visible(sentence))
    if results.study.space.dimensions:
        typer.echo(visible(terminal.answer(results)))
    if results.ranked():
        terminal.console().print(terminal.best_table(results))


def summary(results: Results) -> dict[str, Any]:
    """What a study has found so far, for JSON."""
    from sweeps.artifacts.record import plain
    from sweeps.report import sentences

    ranked = results.ranked()
    return {
        "study": results.name,
        "question": results.study.question,
        "metric": results.study.metric.name,
        "run_cap": results.study.run_cap,
        "counted": results.counted,
        "counts": {status.value: n for status, n in results.counts().items()},
        "best": plain(ranked[0]) if ranked else None,
        "stages": {name: len(stage.trials) for name, stage in results.stages.items()},
        "answer": sentences(results),
    }


def print_json(content: Any) -> None:
    """Print plain data as JSON, null for what JSON does not have."""
    json.dump(_finite(content), sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def _conclude(launched: RunResult) -> None:
    from sweeps.trial.trial import Status

    results, finish = launched.finish.results, launched.finish
    ended = sum(trial.status is not Status.RUNNING for trial in results.everything)
    if finish.complete and launched.ended_before == ended:
        typer.echo(f"{results.name}: nothing was left to run.")
    show_best(results)
    for stage in finish.cut:
        typer.echo(f"The stage {stage} ended at its share of the budget; not all of its runs were made.")
    whole = finish.complete and "search" not in finish.cut
    if launched.searched and whole and 0 < results.counted < results.study.run_cap:
        typer.echo(f"No configuration is left to try after {results.counted} of {results.study.run_cap} trials.")
    typer.echo(f"Report: {launched.report}")


def _finite(content: Any) -> Any:
    """`content` with null for NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
