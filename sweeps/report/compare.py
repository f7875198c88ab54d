"""Studies side by side: what differs between their files, what each found, and whether that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Comparison, Level
from sweeps.evidence.findings import Findings
from sweeps.formatting import MISSING, hours, setting
from sweeps.io.escape import markdown_text
from sweeps.io.files import write_atomic
from sweeps.report.html import page_environment, policy, resource
from sweeps.report.tables.ablation import part
from sweeps.report.tables.catalogue import Table
from sweeps.report.tables.cost import cost_of
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval, difference, level, probability
from sweeps.report.write import csv_text
from sweeps.storage.results import Results
from sweeps.study.study import diff
from sweeps.trial.trial import Status

NAME = "compare"
# What a study is called and how it is worded or paid for moves no figure.
UNTOLD = frozenset({"name", "question"})


def write_comparison(results: Sequence[Results], folder: Path) -> Path:
    """Write `compare.html`, `compare.md` and `compare.csv` into `folder`, each atomically; returns the page's path.

    Raises ValueError for fewer than two studies.
    """
    if len(results) < 2:
        raise ValueError(f"a comparison needs two studies or more but got {len(results)}")
    found = [Findings.of(one) for one in results]
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{NAME}.csv", csv_text(studies_table(found).data))
    write_atomic(folder / f"{NAME}.md", _summary(found))
    write_atomic(folder / f"{NAME}.html", _page(found))
    return folder / f"{NAME}.html"


def compare_table(results: Sequence[Results]) -> pd.DataFrame:
    """One row per study as text for a terminal: search, confirmed, test, cost; columns that none has are left out."""
    table = studies_table([Findings.of(one) for one in results])
    grid = table.grid
    return pd.DataFrame(grid.rows, columns=pd.Index([column.title for column in grid.columns], dtype=object))


def incomparable(found: Sequence[Findings]) -> list[str]:
    """Why the figures of these studies must not be ranked: other data, another metric, other epochs. Empty if they may.

    A sentence for each, with the value of every study.
    """
    names = study_names(found)
    kinds = {
        "metric": [_metric(one) for one in found],
        "data": [_fingerprint(one) for one in found],
        "epochs": [_epochs(one) for one in found],
    }
    return [
        f"Not the same {kind}: {'; '.join(f'{name} {value}' for name, value in zip(names, values, strict=True))}."
        for kind, values in kinds.items()
        if len(set(values)) > 1
    ]


def studies_table(found: Sequence[Findings]) -> Table:
    """One row per study: the search's best single run, the confirmed mean, the test mean, and what it cost."""
    rows = [_study_row(name, one) for name, one in zip(study_names(found), found, strict=True)]
    columns = ["study", "trials", "search (one run)", "confirmed", "seeds", TEST, "test seeds", "openings"]
    frame = frame_of(rows, [*columns, "parameters", "hours", "metric", "epochs", "data"])
    same = len({(one.words.label, one.words.unit) for one in found}) == 1
    shown = level(found[0].words) if same else _number
    kinds = {
        **dict.fromkeys(("search (one run)", "confirmed", TEST), shown),
        **dict.fromkeys(("trials", "parameters"), lambda number: f"{int(number):,}"),
        "hours": hours,
    }
    note = (
        f"Search: the best single run, selected as an extreme, on {VALIDATION} data. Confirmed: the incumbent's mean "
        f"over fresh seeds, on {VALIDATION} data. Test: the mean on the sealed test set. Brackets: the 95 % interval."
    )
    unshown = ["metric", "epochs", "data"]
    return Table("studies", "What each study found", frame, kinds, {"hours": "device-hours"}, note, unshown=unshown)


def conditions_table(found: Sequence[Findings]) -> Table:
    """What each study was measured by and on: the metric, the epochs of completed runs, the data's fingerprint."""
    rows = [
        (name, one.results.study.workload, _metric(one), _epochs(one), _fingerprint(one))
        for name, one in zip(study_names(found), found, strict=True)
    ]
    frame = frame_of(rows, ["study", "workload", "metric", "epochs", "data"])
    return Table("conditions", "What they were measured on", frame, {"data": _shortened})


def components_table(found: Sequence[Findings]) -> Table:
    """The ablations' differences for components of the same name, one below the other, a column pair per study."""
    names = study_names(found)
    known = [{_component(one): one for one in (each.ablation.comparisons if each.ablation else ())} for each in found]
    names_of_parts = list(dict.fromkeys(name for each in known for name in each))
    rows = [(name, *(cell for each in known for cell in _outcome(each.get(name)))) for name in names_of_parts]
    frame = frame_of(rows, ["component", *(cell for name in names for cell in (name, f"{name}: Holm p"))])
    moved = [difference(one.words) for one in found]
    kinds = dict(zip(names, moved, strict=True)) | {f"{name}: Holm p": probability for name in names}
    note = f"Arm minus reference on {VALIDATION} data, each in its own study, with the paired 95 % interval."
    return Table("components", "What the ablations say of the same parts", frame, {**kinds, "component": str}, {}, note)


def settings_table(found: Sequence[Findings]) -> Table:
    """The settings in which the study files differ, a column per study; empty where one is not given."""
    studies = [one.results.study for one in found]
    changed: dict[str, list[Any]] = {}
    for place, study in enumerate(studies):
        for change in diff(studies[0], study):
            if change.key not in UNTOLD:
                changed.setdefault(change.key, [change.old] * len(studies))[place] = change.new
    rows = [(key, *(None if value is None else setting(value) for value in values)) for key, values in changed.items()]
    return Table("settings", "Where the study files differ", frame_of(rows, ["setting", *study_names(found)]))


def study_names(found: Sequence[Findings]) -> list[str]:
    """The studies' names, told apart where two are the same."""
    names = [one.results.name for one in found]
    seen = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [name if number == 1 else f"{name} ({number})" for name, number in zip(names, seen, strict=True)]


@dataclass(frozen=True)
class _Question:
    name: str
    text: str


def _page(found: Sequence[Findings]) -> str:
    template = page_environment().get_template("compare.html.j2")
    return template.render(
        questions=_questions(found),
        comparable=comparability(found),
        reasons=incomparable(found),
        tables=_tables(found),
        policy=policy(()),
        style=Markup(resource("style.css")),
    )


def _summary(found: Sequence[Findings]) -> str:
    names = " and ".join(markdown_text(name) for name in study_names(found))
    asked = "\n".join(f"- {markdown_text(one.name)}: {markdown_text(one.text)}" for one in _questions(found))
    parts = [f"# {names}", asked, markdown_text(comparability(found)), *map(markdown_text, incomparable(found))]
    for table in _tables(found):
        parts += [f"## {markdown_text(table.title)}", markdown_text(table.note), table.grid.markdown()]
    return "\n\n".join(part for part in parts if part) + "\n"


def comparability(found: Sequence[Findings]) -> str:
    """Whether the figures of the studies may be ranked, in a sentence."""
    if incomparable(found):
        return "Not comparable: the figures below stand side by side, but do not say which study is the better one."
    return "Measured on the same data, by the same metric and after the same epochs. No test between studies is made."


def _questions(found: Sequence[Findings]) -> list[_Question]:
    named = zip(study_names(found), found, strict=True)
    return [_Question(name, one.results.study.question) for name, one in named]


def _tables(found: Sequence[Findings]) -> list[Table]:
    tables = (studies_table(found), components_table(found), conditions_table(found), settings_table(found))
    return [table for table in tables if len(table.frame)]


def _study_row(name: str, found: Findings) -> tuple[Any, ...]:
    ranked, cost = found.results.ranked(), cost_of(found.results)
    confirmed = _first(found.confirmation.levels if found.confirmation else ())
    tested = _first(found.final.sets[0].levels if found.final and found.final.sets else ())
    shown = confirmed or tested
    counts = shown.arm.cost if shown else ranked[0].cost if ranked else {}
    opened = len(found.openings) + found.earlier_openings
    return (
        *(name, found.results.counted, ranked[0].value if ranked else None),
        *(*_spread(confirmed), *_spread(tested), opened or None),
        *(counts.get("parameters"), cost.total, _metric(found), _epochs(found), _fingerprint(found)),
    )


def _first(levels: Sequence[Level]) -> Level | None:
    return levels[0] if levels else None


def _spread(found: Level | None) -> tuple[Interval | None, int | None]:
    return (Interval.of(found.mean), len(found.values)) if found else (None, None)


def _outcome(found: Comparison | None) -> tuple[Interval | None, float | None]:
    if found is None or found.paired is None:
        return None, None
    return Interval.of(found.paired.estimate), found.p_holm


def _component(found: Comparison) -> str:
    return ", ".join(part(found.arm))


def _metric(found: Findings) -> str:
    metric = found.results.study.metric
    return f"{metric.name} ({metric.goal}, {metric.at} epoch)"


def _fingerprint(found: Findings) -> str:
    data = found.results.environment.get("data")
    return str(data.get("fingerprint", MISSING)) if isinstance(data, dict) else MISSING


def _shortened(fingerprint: str) -> str:
    """As much of a fingerprint as tells two of them apart at sight."""
    return fingerprint if len(fingerprint) <= 24 else f"{fingerprint[:23]}…"


def _epochs(found: Findings) -> str:
    """The epochs of completed runs, which a study may search: one number or a range."""
    lengths = {trial.epochs for trial in found.results.everything if trial.status is Status.COMPLETE and trial.epochs}
    if not lengths:
        return MISSING
    return f"{min(lengths):,}" if len(lengths) == 1 else f"{min(lengths):,}–{max(lengths):,}"


def _number(cell: Any) -> str:
    if isinstance(cell, Interval):
        return f"{setting(cell.value)} [{setting(cell.low)}, {setting(cell.high)}]"
    return setting(cell)
