"""Tables for the terminal, printed to stdout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from sweeps.artifacts.layout import FINAL, TEST
from sweeps.cli.lines import age, stage_lines, stage_reached, state, tally
from sweeps.evidence.search.size import trainings_so_far, trials_so_far
from sweeps.formatting import (
    MISSING,
    MetricFormat,
    local_time,
    metric_format,
    setting,
    significant,
    status_name,
    unit_of,
)
from sweeps.io.screen.sentence import Sentence
from sweeps.io.terminal import table, text
from sweeps.storage.results import Results
from sweeps.trial.trial import Trial

TOP = 5
WIDTH_OFF_TERMINAL = 200


def console() -> Console:
    """Return a console on stdout; where that is no terminal, it is wide enough not to wrap tables."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH_OFF_TERMINAL)


def say(*sentences: str) -> None:
    """Print sentences to stdout: wrapped on a terminal, a line each in a file."""
    out = console()
    for sentence in sentences:
        out.print(Sentence(text(sentence)), crop=False)


def best_table(results: Results, top: int = TOP) -> Table:
    """Return the best completed trials, a column each; the rows are the metric, the cost and the searched settings."""
    ranked, metric = results.ranked()[:top], metric_format(results.study.metric, results.percentages)
    names = [f"trial {trial.number}" for trial in ranked]
    made = table("", *names, numbers=names)
    made.add_row(text(metric.label, "bold"), *(text(metric.show(trial.value), "bold") for trial in ranked))
    for name in ("parameters", "macs"):
        if any(name in trial.cost for trial in ranked):
            made.add_row(name, *(_integer(trial.cost.get(name)) for trial in ranked))
    made.add_row("seconds", *(f"{trial.seconds:.1f}" for trial in ranked))
    for key in dict.fromkeys(key for trial in ranked for key in trial.parameters):
        values = [setting(trial.parameters[key]) if key in trial.parameters else MISSING for trial in ranked]
        made.add_row(*map(text, (key, *values)))
    return made


def studies_table(studies: Iterable[Results]) -> Table:
    """Return the studies of a runs folder, a row each."""
    made = table("study", "state", "stage", "trials", "best", "age", "runs", "question", numbers=("trials", "age"))
    now = datetime.now(UTC)
    for results in studies:
        ranked, metric = results.ranked(), metric_format(results.study.metric, results.percentages)
        best = f"{metric.label} {metric.show(ranked[0].value)}" if ranked else ""
        has_search = bool(results.study.space.dimensions)
        parts = [trainings_so_far(results), tally(results) if has_search else "", *stage_lines(results)]
        runs = "; ".join(part for part in parts if part)
        progress = trials_so_far(results) if has_search else ""
        cells = (state(results), stage_reached(results), progress, best, age(results, now), runs)
        made.add_row(*map(text, (results.name, *(cell or MISSING for cell in cells), results.study.question)))
    return made


def trial_table(trial: Trial, words: MetricFormat, settings: Mapping[str, Any]) -> Table:
    """Return a trial's outcome and its recipe, in which the searched settings are bold.

    Args:
        trial: The trial.
        words: The format of the study's metric.
        settings: The whole recipe, by dotted key.
    """
    made, measured = table("", ""), words.on(TEST) if trial.stage == FINAL else words
    made.show_header = False
    facts = {
        **({"arm": _arm(trial)} if trial.variant else {}),
        "status": status_name(trial.state) + (f" ({trial.reason})" if trial.reason else ""),
        measured.label: measured.show(trial.value),
        "epochs": str(trial.epochs),
        **{name: _integer(number) for name, number in trial.cost.items()},
        "seconds": f"{trial.seconds:.1f}",
        "seed": str(trial.seed),
        "started": local_time(trial.started),
        "finished": local_time(trial.finished),
    }
    for name, value in facts.items():
        made.add_row(text(name, "bold"), text(value))
    made.add_section()
    for key, value in settings.items():
        searched = key in trial.parameters
        made.add_row(text(key, "bold" if searched else ""), text(setting(value)))
    return made


def _arm(trial: Trial) -> str:
    return trial.variant if trial.replicate is None else f"{trial.variant}, seed {trial.replicate + 1}"


def curve_table(rows: list[dict[str, float]], percentages: Collection[str]) -> Table:
    """Return the metrics of a trial, a row for each epoch.

    Args:
        rows: The metrics by name.
        percentages: The names of those in percent, as in `Workload.percentages`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [f"{name} ({unit})" if (unit := unit_of(name, percentages)) else name for name in names]
    made = table(*columns, numbers=columns)
    for row in rows:
        made.add_row(*(text(significant(row[name]) if name in row else MISSING) for name in names))
    return made


def text_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of left-aligned text."""
    made = table(*map(str, columns))
    for row in rows:
        made.add_row(*map(text, row))
    return made


def _integer(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"
