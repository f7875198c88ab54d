"""Tables for the terminal, on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.formatting import MISSING, count, measure, setting, status_name
from sweeps.io.errors import visible
from sweeps.storage.results import Results
from sweeps.study.sections import Metric
from sweeps.trial.trial import Status, Trial

TOP = 5
WIDTH_OFF_TERMINAL = 200


def console() -> Console:
    """Stdout, wide enough off a terminal that tables are not broken."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDTH_OFF_TERMINAL)


def answer(results: Results) -> str:
    """The one line that says what a study found so far."""
    ranked, words = results.ranked(), measure(results.study.metric)
    if not ranked:
        return f"No trial of {results.name} has finished: {tally(results)}."
    best = ranked[0]
    shown = f"{words.label} {words.show(best.value)}"
    size = f", {_count(best.cost['parameters'])} parameters" if "parameters" in best.cost else ""
    of = count(results.counted, "trial")
    when = "at the best of" if results.study.metric.at == "best" else "after"
    return f"Best of {of}: trial {best.number}, {shown} {when} {count(best.epochs, 'epoch')}{size} (one run)."


def tally(results: Results) -> str:
    """How many trials have which status, in words."""
    counts = results.counts()
    words = {Status.RUNNING: "unfinished"}
    shown = [f"{n} {words.get(status, status_name(status))}" for status, n in counts.items() if n]
    return ", ".join(shown) or "no trial yet"


def stage_lines(results: Results) -> list[str]:
    """One line for each stage that has begun after the search: its arms and how its runs stand."""
    lines = []
    for name, stage in results.stages.items():
        if not stage.arms:  # the small searches of a re-tuned ablation
            continue
        statuses = [trial.status for trial in stage.trials]
        counts = ", ".join(f"{n} {status_name(each)}" for each in Status if (n := statuses.count(each)))
        lines.append(f"{name}: {count(sum(arm.applicable for arm in stage.arms), 'arm')}, {counts or 'no run yet'}")
    return lines


def best_table(results: Results, top: int = TOP) -> Table:
    """The best completed trials side by side: one column each, one row per figure and searched setting."""
    ranked, words = results.ranked()[:top], measure(results.study.metric)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for trial in ranked:
        table.add_column(f"trial {trial.number}", justify="right")
    table.add_row(
        Text(visible(words.label), style="bold"), *(Text(words.show(trial.value), style="bold") for trial in ranked)
    )
    for name in ("parameters", "macs"):
        if any(name in trial.cost for trial in ranked):
            table.add_row(name, *(_count(trial.cost.get(name)) for trial in ranked))
    table.add_row("seconds", *(f"{trial.seconds:.1f}" for trial in ranked))
    for key in dict.fromkeys(key for trial in ranked for key in trial.parameters):
        chosen = [setting(trial.parameters[key]) if key in trial.parameters else MISSING for trial in ranked]
        table.add_row(*map(Text, map(visible, (key, *chosen))))
    return table


def studies_table(rows: Iterable[Results]) -> Table:
    """One line per study of a runs folder."""
    table = _table("study", "trials", "best", "statuses", "question", numbers=("trials",))
    for results in rows:
        ranked, words = results.ranked(), measure(results.study.metric)
        best = words.show(ranked[0].value) if ranked else MISSING
        searched = bool(results.study.space.dimensions)
        progress = f"{results.counted}/{results.study.run_cap}" if searched else MISSING
        statuses = "; ".join([*([tally(results)] if searched else []), *stage_lines(results)])
        cells = (results.name, progress, best, statuses, results.study.question)
        table.add_row(*map(Text, map(visible, cells)))
    return table


def trial_table(trial: Trial, metric: Metric, settings: Mapping[str, Any]) -> Table:
    """All that is known of one trial; `settings` is its whole recipe by dotted key."""
    table = _table("", "")
    table.show_header = False
    words = measure(metric)
    facts = {
        "status": status_name(trial.status) + (f" ({trial.reason})" if trial.reason else ""),
        words.label: words.show(trial.value),
        "epochs": str(trial.epochs),
        **{name: _count(number) for name, number in trial.cost.items()},
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
    """What a workload yielded, one row per epoch."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = _table(*columns, numbers=columns)
    for row in rows:
        cells = [f"{row[name]:g}" if name in row else MISSING for name in columns]
        table.add_row(*map(Text, cells))
    return table


def text_table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    """A table of text cells."""
    table = _table(*map(str, columns))
    for row in rows:
        table.add_row(*(Text(visible(str(cell))) for cell in row))
    return table


def _count(number: int | None) -> str:
    return MISSING if number is None else f"{number:,}"


def _table(*columns: str, numbers: Iterable[str] = ()) -> Table:
    right = set(numbers)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(Text(visible(name)), justify="right" if name in right else "left", overflow="fold")
    return table
