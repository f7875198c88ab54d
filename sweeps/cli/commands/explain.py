"""The command that explains how a search decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.exit import print_json
from sweeps.cli.help.completion import trial_number
from sweeps.cli.options import RUNS, Json, Name, RunsDir

if TYPE_CHECKING:
    from sweeps.evidence.search import SearchHistory, Step
    from sweeps.storage.results import Results

app = typer.Typer()


@app.command()
def explain(
    name: Name,
    decision: Annotated[
        int | None, typer.Option("--decision", metavar="N", min=0, help="Show one decision with its candidates.")
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="N", min=0, help="Show those on one trial.", autocompletion=trial_number),
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Explain how a search decided: which trials went on and why, and whether predictions held."""
    from sweeps.api.results import load
    from sweeps.evidence.search import history_sentences, none_recorded

    if decision is not None and trial is not None:
        raise typer.BadParameter("give --decision or --trial, not both", param_hint="--decision")
    findings = load(name, runs_dir).findings
    history, results = findings.search_history, findings.results
    steps = _chosen(results, history, decision, trial)
    sentences = history_sentences(history) or [none_recorded(results.settled_study)]
    if as_json:
        decisions = [step.plain() for step in steps]
        print_json({"study": results.name, "decisions": decisions, **history.plain(), "sentences": sentences})
    elif decision is not None:
        _print_decision(results, steps[0])
    else:
        _print_decisions(results, steps, sentences if trial is None or not history.steps else ())


def _chosen(results: Results, history: SearchHistory, order: int | None, number: int | None) -> Sequence[Step]:
    """The steps to show. Raises NotFound for a decision or a trial that the search does not have."""
    from sweeps.storage.runs import NotFound, find_trial

    if number is not None:
        find_trial(results, number)
        return history.of_trial(number)
    if order is None:
        return history.steps
    chosen = [step for step in history.steps if step.decision.order == order]
    if not chosen:
        known = [step.decision.order for step in history.steps if step.decision.order is not None]
        there_are = f"{min(known)} to {max(known)}" if known else "none on record"
        raise NotFound(f"the search of {results.name} has no decision {order}; there are: {there_are}")
    return chosen[:1]


def _print_decisions(results: Results, steps: Sequence[Step], sentences: Sequence[str]) -> None:
    from sweeps.cli.explanation import decisions_table
    from sweeps.cli.tables import console, say
    from sweeps.formatting import metric_format

    if steps:
        console().print(decisions_table(steps, metric_format(results.study.metric, results.percentages)))
    elif not sentences:
        sentences = ["No decision on this trial is on record: it was never trained."]
    say(*sentences)


def _print_decision(results: Results, step: Step) -> None:
    from sweeps.cli.explanation import candidates_table, decision_lines
    from sweeps.cli.tables import console, say
    from sweeps.formatting import metric_format

    words = metric_format(results.study.metric, results.percentages)
    say(*decision_lines(step, words, results.study.baseline))
    if step.decision.candidates:
        console().print(candidates_table(step, words, results.study.baseline))
    else:
        say("No other candidate is on record.")
