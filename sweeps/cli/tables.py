"""Tables for the terminal, printed to stdout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.cli.lines import stage_lines, tally
from sweeps.formatting import MISSING, metric_format, setting, status_name
from sweeps.io.errors import visible
from sweeps.storage.results import Results
from sweeps.study.sections import Metric
from sweeps.trial.trial import Trial

TOP = 5
WIDTH_OFF_TERMINAL = 200


def console() -> Console:
    """Return a console on stdout; where that is no terminal, it is wide enough not to wrap tables."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH_OFF_TERMINAL)


def best_table(results: Results, top: int = TOP) -> Table:
    """Return the best completed trials, a column each; the rows are the metric, the cost and the searched settings."""
    ranked, metric = results.ranked()[:top], metric_format(results.study.metric)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for trial in ranked:
        table.add_column(f"trial {trial.number}", justify="right")
    table.add_row(
        Text(visible(metric.label), style="bold"), *(Text(metric.show(trial.value), style="bold") for trial in ranked)
    )
    for name in ("parameters", "macs"):
        if any(name in trial.cost for trial in ranked):
            table.add_row(name, *(_integer(trial.cost.get(name)) for trial in ranked))
    table.add_row("seconds", *(f"{trial.seconds:.1f}" for trial in ranked))
    for key in dict.fromkeys(key for trial in ranked for key in trial.parameters):
        values = [setting(trial.parameters[key]) if key in trial.parameters else MISSING for trial in ranked]
        table.add_row(*map(Text, map(visible, (key, *values))))
    return table


def studies_table(studies: Iterable[Results]) -> Table:
    """Return the studies of a runs folder, a row each."""
    table = _table("study", "trials", "best", "statuses", "question", numbers=("trials",))
    for results in studies:
        ranked, metric = results.ranked(), metric_format(results.study.metric)
        best = metric.show(ranked[0].value) if ranked else MISSING
        has_search = bool(results.study.space.dimensions)
        progress = f"{results.counted}/{results.study.most_trials}" if has_search else MISSING
        statuses = "; ".join([*([tally(results)] if has_search else []), *stage_lines(results)])
        cells = (results.name, progress, best, statuses, results.study.question)
        table.add_row(*map(Text, map(visible, cells)))
    return table


def trial_table(trial: Trial, metric: Metric, settings: Mapping[str, Any]) -> Table:
    """Return a trial's outcome and its recipe, in which the searched settings are bold.

    Args:
        trial: The trial.
        metric: The study's metric.
        settings: The whole recipe, by dotted key.
    """
    table = _table("", "")
    table.show_header = False
    words = metric_format(metric)
    facts = {
        "status": status_name(trial.status) + (f" ({trial.reason})" if trial.reason else ""),
        words.label: words.show(trial.value),
        "epochs": str(trial.epochs),
        **{name: _integer(number) for name, number in trial.cost.items()},
        "seconds": f"{trial.seconds:.1f}",
        "seed": str(trial.seed),
        "started": str(trial.started or MISSING),
        "finished": str(trial.finished or MISSING),
    }
    for name, value in facts.items():
        table.add_row(Text(visible(name), style="bold"), Text(visible(value)))
    table.add_section()
    for key, value in settings.items():
        searched = key in trial.parameters
        table.add_row(Text(visible(key), style="bold" if searched else ""), Text(visible(setting(value))))
    return table


def curve_table(rows: list[dict[str, float]]) -> Table:
    """Return the metrics of a trial, a row for each epoch."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = _table(*columns, numbers=columns)
    for row in rows:
        cells = [f"{row[name]:g}" if name in row else MISSING for name in columns]
        table.add_row(*map(Text, cells))
    return table


def text_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """Return a table of left-aligned text."""
    table = _table(*map(str, columns))
    for row in rows:
        table.add_row(*(Text(visible(str(cell))) for cell in row))
    return table


def _integer(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"


def _table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    # Cells are `Text`, here and above, because rich would take "[...]" in a plain string for markup.
    right = set(numbers)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(visible(name)), justify="right" if name in right else "left", overflow="fold")
    return table
