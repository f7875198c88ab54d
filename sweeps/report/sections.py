"""Build the sections of the page between the answer and the best trials: sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sweeps.artifacts.layout import ABLATION
from sweeps.evidence import Ablation
from sweeps.evidence.findings import Findings
from sweeps.evidence.search import history_sentences
from sweeps.formatting import MISSING, count
from sweeps.report.data import ReportData
from sweeps.report.decisions.tables import decision_tables
from sweeps.report.figures.class_panels import CLASS_PANELS
from sweeps.report.figures.decisions.panels import DECISION_PANELS
from sweeps.report.figures.evidence_panels import ABLATION_PANELS, FINAL_PANELS, MEAN_LEARNING_CURVES
from sweeps.report.figures.images.panels import IMAGE_PANELS
from sweeps.report.figures.panel import Panel, Plot, plots
from sweeps.report.images.gallery import Row, gallery
from sweeps.report.images.sentences import image_sentences
from sweeps.report.images.tables import image_tables
from sweeps.report.sentences import VERDICTS_SHOWN, missing_runs, rated, strongest_first
from sweeps.report.tables.ablation import crossing
from sweeps.report.tables.catalogue import ablation_tables, class_tables, confirmed_tables, final_tables
from sweeps.report.tables.table import Table


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        key: The name of its anchor.
        nav: Its name in the contents.
        title: Its title.
        sentences: The sentences that the answer at the top of the page does not have.
        tables: Its tables.
        plots: Its figures.
        absent: A line for each figure that is missing.
        pictures: Rows of images.
    """

    key: str
    nav: str
    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]
    absent: tuple[str, ...]
    pictures: tuple[Row, ...] = ()


def evidence_sections(data: ReportData, openings: Sequence[Table]) -> Iterator[Section]:
    """Yield the sections of the stages that have begun, then those of classes, images and decisions that are on record.

    Args:
        data: The data of the report.
        openings: The table of the openings of the test set, if there is one.
    """
    images = data.findings.images
    stages = list(_stage_sections(data, openings))
    if stages and images.missing and not images.sets:
        lines = (f"Images one by one: {line}." for line in images.missing)
        stages[-1] = replace(stages[-1], absent=(*stages[-1].absent, *lines))
    yield from stages
    if data.classes is not None:
        # No figure is missing here: both come from the same matrix.
        drawn, _ = plots(CLASS_PANELS, data)
        tables = class_tables(data)
        yield Section("classes", "Classes", "Classes", (), tuple(tables), tuple(drawn), data.classes.broken)
    if images.sets:
        yield _image_section(data)
    if data.findings.search_history.steps:
        drawn, absent = plots(DECISION_PANELS, data)
        sentences, tables = history_sentences(data.findings.search_history), decision_tables(data.findings)
        title = "How the search decided"
        yield Section("decisions", "Decisions", title, tuple(sentences), tuple(tables), tuple(drawn), tuple(absent))


def _stage_sections(data: ReportData, openings: Sequence[Table]) -> Iterator[Section]:
    """Yield the sections of the stages that have begun."""
    findings = data.findings
    if findings.confirmation is not None:
        # The ablation shows the same figure of its own runs.
        panels = [] if findings.ablation is not None else [MEAN_LEARNING_CURVES]
        yield _section(data, "confirmed", "Confirmed on fresh seeds", (), confirmed_tables(findings), panels)
    if findings.ablation is not None:
        sentences = _ablation_sentences(findings, findings.ablation)
        yield _section(data, "ablation", "Ablation", sentences, ablation_tables(data), ABLATION_PANELS)
    if findings.final is not None:
        sentences = strongest_first(one for labelled in findings.final.sets[:1] for one in labelled.comparisons)
        tables = [*final_tables(data), *openings]
        yield _section(data, "test", "The sealed test set", sentences, tables, FINAL_PANELS)


def _image_section(data: ReportData) -> Section:
    images = data.findings.images
    drawn, _ = plots(IMAGE_PANELS, data)
    missing = tuple(f"{line[0].upper()}{line[1:]}." for line in images.missing)
    return Section(
        "images",
        "Images",
        "Images one by one",
        tuple(image_sentences(images)),
        tuple(image_tables(images)),
        tuple(drawn),
        missing,
        gallery(images, data.results.folder),
    )


def _section(
    data: ReportData, key: str, title: str, sentences: Sequence[str], tables: Sequence[Table], panels: Sequence[Panel]
) -> Section:
    drawn, absent = plots(panels, data)
    return Section(key, key.capitalize(), title, tuple(sentences), tuple(tables), tuple(drawn), tuple(absent))


def _ablation_sentences(findings: Findings, ablation: Ablation) -> list[str]:
    """The design, the verdicts that the answer does not show, those after re-tuning, and the runs left out."""
    more = [one.verdict for one in rated(ablation)[VERDICTS_SHOWN:]]
    return [_design(findings, ablation), *more, *(one.verdict for one in ablation.retuned), *missing_runs(ablation)]


def _design(findings: Findings, ablation: Ablation) -> str:
    """How the arms were listed, and how the number of seeds was decided."""
    facts = findings.facts(ABLATION)
    text = f"Design: {ablation.design.replace('_', ' ')}."
    if aliases := facts.get("aliases"):
        shared = "; ".join(" = ".join(map(crossing, chain)) for chain in _chains(aliases))
        text += f" A fraction of the factorial. These effects share an estimate: {shared}."
    if first := facts.get("first"):
        text += f" Seeds by Stein's procedure, from the variance of the first {first}: {_seeds(findings, ablation)}."
    if looks := facts.get("anytime"):
        text += f" Looks after every pair from {looks[0]} to at most {looks[1]} (anytime). Seeds so far: "
        text += f"{_seeds(findings, ablation)}."
    return text


def _seeds(findings: Findings, ablation: Ablation) -> str:
    """The seeds of each arm that have a figure, and the runs in all; where some are missing: "relu 11 of 12".

    Arms of one recipe share their runs.
    """
    planned = findings.facts(ABLATION).get("wanted", {})
    used = {level.arm.name: len(level.values) for level in ablation.levels}
    texts = [
        f"{name} {number}" + (f" of {planned[name]}" if planned.get(name, number) > number else "")
        for name, number in used.items()
    ]
    runs = {level.arm.recipe: len(level.values) for level in ablation.levels}
    return f"{', '.join(texts)}; in all: {count(sum(runs.values()), 'run')}" if texts else MISSING


def _chains(aliases: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The effects that share an estimate, each chain once; `aliases` has it for every effect in it."""
    chains: dict[frozenset[str], list[str]] = {}
    for effect, others in aliases.items():
        chain = [effect, *others]
        chains.setdefault(frozenset(name.removeprefix("-") for name in chain), chain)
    return list(chains.values())
