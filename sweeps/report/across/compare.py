"""Compare studies: their results, their conditions, and whether the results can be ranked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Comparison, Level
from sweeps.evidence.findings import Findings
from sweeps.formatting import MISSING, device_amount, setting
from sweeps.io.escape import markdown_text
from sweeps.io.files import write_atomic
from sweeps.report.html import page_environment, policy, resource
from sweeps.report.tables.ablation import part
from sweeps.report.tables.cost import cost_of
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import Interval, difference, level, probability, spread
from sweeps.report.tables.table import Table
from sweeps.report.write import csv_text
from sweeps.storage.results import Results
from sweeps.study.study import diff
from sweeps.trial.trial import Status

NAME = "compare"
LONGEST_NAME = 120  # of the folder of a comparison; file systems limit a name to 255 bytes
UNCOMPARED = frozenset({"name", "question"})  # keys of a study file that no result depends on


def write_comparison(results: Sequence[Results], folder: Path) -> Path:
    """Write `compare.html`, `compare.md` and `compare.csv` into `folder`, each atomically.

    Args:
        results: The results of two studies or more.
        folder: The folder; it is created if it is missing.

    Returns:
        The path of the page.

    Raises:
        ValueError: There are fewer than two studies.
    """
    if len(results) < 2:
        raise ValueError(f"a comparison needs two studies or more but got {len(results)}")
    comparison = _comparison([Findings.of(one) for one in results])
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / f"{NAME}.csv", csv_text(comparison.studies.data))
    write_atomic(folder / f"{NAME}.md", _summary(comparison))
    write_atomic(folder / f"{NAME}.html", _page(comparison))
    return folder / f"{NAME}.html"


def comparison_name(names: Sequence[str]) -> str:
    """Return the name of the folder of a comparison: "a-vs-b", and for long names its beginning and a hash."""
    name = "-vs-".join(names)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9]}-{digest}"


def compare_table(results: Sequence[Results]) -> pd.DataFrame:
    """Return one row per study as text for a terminal, without the columns that are empty for every study."""
    table = studies_table([Findings.of(one) for one in results])
    grid = table.grid
    return pd.DataFrame(grid.rows, columns=pd.Index([column.title for column in grid.columns], dtype=object))


def incomparable(studies: Sequence[Findings]) -> list[str]:
    """Return why the results must not be ranked: other data, another metric or other epochs. Empty if they may.

    Each sentence has the value of every study.
    """
    names = study_names(studies)
    conditions = {
        "metric": [_metric(one) for one in studies],
        "data": [_fingerprint(one) for one in studies],
        "epochs": [_epochs(one) for one in studies],
    }
    return [
        f"Not the same {kind}: {'; '.join(f'{name} {value}' for name, value in zip(names, values, strict=True))}."
        for kind, values in conditions.items()
        if len(set(values)) > 1
    ]


def studies_table(studies: Sequence[Findings]) -> Table:
    """Return one row per study: the search's best single run, the confirmed mean, the test mean, and the cost."""
    rows = [_study_row(name, one) for name, one in zip(study_names(studies), studies, strict=True)]
    columns = ["study", "trials", "search (one run)", "confirmed", "seeds", TEST, "test seeds", "openings"]
    frame = frame_of(rows, [*columns, "parameters", "hours", "metric", "epochs", "data"])
    # Values of different metrics stand in one column, but cannot share a unit.
    same_unit = len({(one.metric_format.label, one.metric_format.unit) for one in studies}) == 1
    shown = level(studies[0].metric_format) if same_unit else _number
    kinds = {
        **dict.fromkeys(("search (one run)", "confirmed", TEST), shown),
        **dict.fromkeys(("trials", "parameters"), lambda number: f"{int(number):,}"),
        "hours": device_amount,
    }
    note = (
        f"Search: the best single run, selected as an extreme, on {VALIDATION} data. Confirmed: the incumbent's mean "
        f"on {VALIDATION} data, over runs made after its choice where there are any, for the mean by which confirm "
        "chose it is optimistic. Test: the mean on the sealed test set. Brackets: the 95 % interval, which a single "
        "run does not have."
    )
    unshown = ["metric", "epochs", "data"]
    return Table("studies", "Results of each study", frame, kinds, {"hours": "device time"}, note, unshown=unshown)


def conditions_table(studies: Sequence[Findings]) -> Table:
    """Return the conditions of each study: metric, epochs of completed runs, fingerprint of the data."""
    rows = [
        (name, one.results.study.workload, _metric(one), _epochs(one), _fingerprint(one))
        for name, one in zip(study_names(studies), studies, strict=True)
    ]
    frame = frame_of(rows, ["study", "workload", "metric", "epochs", "data"])
    return Table("conditions", "Conditions of each study", frame, {"data": _shortened})


def components_table(studies: Sequence[Findings]) -> Table:
    """Return the differences of the ablations by component, with a pair of columns per study."""
    names = study_names(studies)
    by_study = [
        {_component(one): one for one in (study.ablation.comparisons if study.ablation else ())} for study in studies
    ]
    components = list(dict.fromkeys(name for by_component in by_study for name in by_component))
    rows = [
        (name, *(cell for by_component in by_study for cell in _outcome(by_component.get(name)))) for name in components
    ]
    frame = frame_of(rows, ["component", *(cell for name in names for cell in (name, f"{name}: Holm p"))])
    moved = [difference(one.metric_format) for one in studies]
    kinds = dict(zip(names, moved, strict=True)) | {f"{name}: Holm p": probability for name in names}
    note = f"Arm minus reference on {VALIDATION} data, each in its own study, with the paired 95 % interval."
    return Table("components", "Ablations of the same components", frame, {**kinds, "component": str}, {}, note)


def settings_table(findings: Sequence[Findings]) -> Table:
    """Return the settings in which the study files differ, a column per study; a cell is empty if it has none."""
    studies = [one.results.study for one in findings]
    changed: dict[str, list[Any]] = {}
    for place, study in enumerate(studies):
        for change in diff(studies[0], study):
            if change.key not in UNCOMPARED:
                # Studies that are not named again have the value of the first one.
                changed.setdefault(change.key, [change.old] * len(studies))[place] = change.new
    rows = [(key, *(None if value is None else setting(value) for value in values)) for key, values in changed.items()]
    return Table("settings", "Differences between the study files", frame_of(rows, ["setting", *study_names(findings)]))


def study_names(studies: Sequence[Findings]) -> list[str]:
    """Return the names of the studies, numbered where they repeat."""
    names = [one.results.name for one in studies]
    seen = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [name if number == 1 else f"{name} ({number})" for name, number in zip(names, seen, strict=True)]


def comparability(reasons: Sequence[str]) -> str:
    """Return in a sentence whether the results may be ranked.

    Args:
        reasons: Why they must not be, from `incomparable`.
    """
    if reasons:
        return "Not comparable: the figures below do not show which study is better."
    return "Measured on the same data, by the same metric and after the same epochs. No test between studies is made."


@dataclass(frozen=True)
class _Question:
    name: str
    text: str


@dataclass(frozen=True)
class _Comparison:
    """The content of a comparison, for the page and the summary."""

    questions: list[_Question]
    reasons: list[str]
    studies: Table
    others: list[Table]

    @property
    def tables(self) -> list[Table]:
        """The tables that have a row."""
        return [table for table in (self.studies, *self.others) if len(table.frame)]


def _comparison(studies: Sequence[Findings]) -> _Comparison:
    by_name = zip(study_names(studies), studies, strict=True)
    return _Comparison(
        questions=[_Question(name, one.results.study.question) for name, one in by_name],
        reasons=incomparable(studies),
        studies=studies_table(studies),
        others=[components_table(studies), conditions_table(studies), settings_table(studies)],
    )


def _page(comparison: _Comparison) -> str:
    template = page_environment().get_template("compare.html.j2")
    return template.render(
        questions=comparison.questions,
        comparable=comparability(comparison.reasons),
        reasons=comparison.reasons,
        tables=comparison.tables,
        policy=policy(()),
        style=Markup(resource("style.css")),
    )


def _summary(comparison: _Comparison) -> str:
    questions = comparison.questions
    title = " and ".join(markdown_text(one.name) for one in questions)
    listed = "\n".join(f"- {markdown_text(one.name)}: {markdown_text(one.text)}" for one in questions)
    sentences = [comparability(comparison.reasons), *comparison.reasons]
    parts = [f"# {title}", listed, *map(markdown_text, sentences)]
    for table in comparison.tables:
        parts += [f"## {markdown_text(table.title)}", markdown_text(table.note), table.grid.markdown()]
    return "\n\n".join(part for part in parts if part) + "\n"


def _study_row(name: str, findings: Findings) -> tuple[Any, ...]:
    ranked, cost = findings.ranked, cost_of(findings.results)
    confirmed = findings.confirmation.figure if findings.confirmation else None
    tested = _first(findings.final.sets[0].levels if findings.final and findings.final.sets else ())
    leader = confirmed or tested
    counts = leader.arm.cost if leader else ranked[0].cost if ranked else {}
    openings = len(findings.openings) + findings.earlier_openings
    return (
        *(name, findings.results.counted, ranked[0].value if ranked else None),
        *(*_spread(confirmed), *_spread(tested), openings or None),
        *(counts.get("parameters"), cost.total, _metric(findings), _epochs(findings), _fingerprint(findings)),
    )


def _first(levels: Sequence[Level]) -> Level | None:
    return levels[0] if levels else None


def _spread(level: Level | None) -> tuple[Interval | float | None, int | None]:
    return spread(level), len(level.values) if level else None


def _outcome(one: Comparison | None) -> tuple[Interval | float | None, float | None]:
    if one is None or one.paired is None:
        return None, None
    return Interval.of(one.paired.estimate), one.p_holm


def _component(one: Comparison) -> str:
    return ", ".join(part(one.arm))


def _metric(findings: Findings) -> str:
    metric = findings.results.study.metric
    return f"{metric.name} ({metric.goal}, {metric.at} epoch)"


def _fingerprint(findings: Findings) -> str:
    data = findings.results.environment.get("data")
    return str(data.get("fingerprint", MISSING)) if isinstance(data, dict) else MISSING


def _shortened(fingerprint: str) -> str:
    """The beginning of a fingerprint, which is enough to distinguish two of them."""
    return fingerprint if len(fingerprint) <= 24 else f"{fingerprint[:23]}…"


def _epochs(findings: Findings) -> str:
    """The epochs of completed runs: one number, or a range where they differ."""
    lengths = {
        trial.epochs for trial in findings.results.everything if trial.status is Status.COMPLETE and trial.epochs
    }
    if not lengths:
        return MISSING
    return f"{min(lengths):,}" if len(lengths) == 1 else f"{min(lengths):,}–{max(lengths):,}"


def _number(cell: Any) -> str:
    if isinstance(cell, Interval):
        return f"{setting(cell.value)} [{setting(cell.low)}, {setting(cell.high)}]"
    return setting(cell)
