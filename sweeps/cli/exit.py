"""Carry out a study for a command: run it, print its results, and end with the matching exit code.

Exit codes: 0 complete, 1 failed or runs are missing, 2 bad input, 75 stopped by a signal or out of budget
(EX_TEMPFAIL: the study can be continued), 130 stopped at once by a second signal.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import typer

from sweeps.artifacts.layout import SEARCH
from sweeps.cli.process import COMPLETE, FAILED, RESUMABLE, reached

if TYPE_CHECKING:
    from sweeps.api.run import StudyOutcome
    from sweeps.api.study import Study
    from sweeps.storage.results import Results

AGAIN = "run the same command again: it runs what failed once more, with the same seeds"


def carry_out(study: Study, as_json: bool, **options: Any) -> None:
    """Run or continue a study and print its results.

    Args:
        study: The study.
        as_json: Whether to print JSON instead of text.
        **options: The keyword arguments of `sweeps.run`.

    Raises:
        typer.Exit: The study is not complete; with the exit code.
    """
    from sweeps.io.screen.working import working

    with working("importing the engine", quiet=options.get("quiet", False)):
        from sweeps.api.run import run
        from sweeps.cli.lines import so_far

    for warning in () if options.get("quiet") else study.warnings():
        typer.echo(f"warning: {warning}", err=True)
    outcome = run(study, **options)
    if outcome.signal:  # which `main` prints
        reached.text = so_far(outcome.results.records)
        raise typer.Exit(RESUMABLE)
    code, line = _shortfall(outcome)
    if as_json:
        content = {**summary(outcome.results.records), "report": str(outcome.report), "complete": outcome.complete}
        print_json({**content, **({"error": line.partition(": ")[2], "exit_code": code} if line else {})})
    else:
        _print_results(outcome)
    if line:
        typer.echo(line, err=True)
        raise typer.Exit(code)


def show_best(results: Results) -> None:
    """Print the results of a study so far: its conclusions, then the best trials of the search."""
    from sweeps.cli.lines import best_line
    from sweeps.cli.tables import best_table, console, say
    from sweeps.report import answer_sentences

    best = [best_line(results)] if results.study.space.dimensions else []
    say(*answer_sentences(results, best))
    if results.ranked():
        console().print(best_table(results))


def summary(results: Results) -> dict[str, Any]:
    """Return the results of a study so far as plain data, for JSON."""
    from sweeps.artifacts.record import plain
    from sweeps.evidence.ending import last_ending
    from sweeps.report import answer_sentences

    ending = last_ending(results)
    ranked = results.ranked()
    return {
        "study": results.name,
        "question": results.study.question,
        "metric": results.study.metric.name,
        "run_cap": results.study.run_cap,
        "trainings": {"spent": results.trainings, "budget": results.study.budget.trainings},
        "counted": results.counted,
        "counts": results.states(),
        "best": plain(ranked[0]) if ranked else None,
        "stages": {name: len(stage.trials) for name, stage in results.stages.items()},
        "ended": ending.plain() if ending is not None else None,
        "answer": answer_sentences(results),
    }


def print_json(content: Any) -> None:
    """Print plain data as JSON, with null for NaN and infinity."""
    json.dump(_finite(content), sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def _shortfall(outcome: StudyOutcome) -> tuple[int, str]:
    """Return the exit code of a study that is not complete and a line that says why; (0, "") for one that is."""
    from sweeps.evidence.ending import after_a_search_in_vain
    from sweeps.formatting import device_time
    from sweeps.io.errors import visible

    if outcome.failure:
        return FAILED, f"error: {visible(outcome.failure)}"
    if outcome.exhausted:
        records = outcome.results.records
        limit = f"budget.gpu_hours is {records.study.budget.gpu_hours:g}"
        spent = f"{device_time(outcome.device_hours, records.environment.get('device', 'cpu'))} spent"
        why = f"the stage {outcome.exhausted} has no budget left for another run ({limit}, {spent})"
        return RESUMABLE, f"stopped: {why}; raise it to go on"
    if outcome.missing:
        way = after_a_search_in_vain(outcome.results.records) if len(outcome.missing) == 1 else ""
        way = way or f"mend the cause, then {AGAIN}"
        return FAILED, f"error: {visible('; '.join(outcome.missing))}; {way}"
    return COMPLETE, ""


def _print_results(outcome: StudyOutcome) -> None:
    from sweeps.cli.tables import say
    from sweeps.evidence.search.size import trainings_so_far
    from sweeps.formatting import count

    results = outcome.results.records
    if outcome.complete and not outcome.new_runs:
        say(f"{results.name}: nothing was left to run.")
    show_best(results)
    for stage in outcome.cut:
        say(f"The stage {stage} ended at its share of the budget; not all of its runs were made.")
    search_ended = outcome.searched and outcome.complete and SEARCH not in outcome.cut
    metric = results.study.metric
    if (best := next(iter(results.ranked()), None)) is not None and metric.reached_by(best.value):
        say(f"The search ended at metric.target = {metric.target:g}, which trial {best.number} has reached.")
    elif search_ended and (used := trainings_so_far(results)):
        say(f"The search has used {used}: {count(results.counted, 'trial')}.")
    elif search_ended and 0 < results.counted < results.study.run_cap:
        say(f"No configuration is left to try after {results.counted} of {results.study.run_cap} trials.")
    typer.echo(f"Report: {outcome.report}")


def _finite(content: Any) -> Any:
    """`content` with null for NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
