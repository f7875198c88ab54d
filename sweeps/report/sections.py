"""The sections of the page that tell of the evidence: what was found in words, the tables, the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sweeps.evidence.findings import Findings
from sweeps.formatting import MISSING, setting
from sweeps.report.figures.class_panels import class_panels
from sweeps.report.figures.evidence_panels import ablation_panels, bands_panel, final_panels
from sweeps.report.figures.panel import Plot, plots
from sweeps.report.sentences import VERDICTS_SHOWN, missing_runs, verdicts
from sweeps.report.tables.catalogue import (
    Table,
    ablation_tables,
    class_tables,
    confirmed_tables,
    final_tables,
    openings_tables,
)
from sweeps.report.tables.classes import classes_of


@dataclass(frozen=True)
class Section:
    """A part of the page by the name of its anchor; `nav` is its name in the contents.

    `sentences` are what the answer at the top of the page has not said already.
    """

    key: str
    nav: str
    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]
    absent: tuple[str, ...]


def evidence_sections(findings: Findings) -> Iterator[Section]:
    """Confirm, ablation and final, as far as they have begun; then the classes, where a run has left their counts."""
    results = findings.results
    if findings.confirmation is not None:
        panels = [] if findings.ablation is not None else [bands_panel(findings)]
        drawn, absent = plots(panels, results)
        tables = tuple(confirmed_tables(findings))
        yield Section("confirmed", "Confirmed", "Confirmed on fresh seeds", (), tables, tuple(drawn), tuple(absent))
    if findings.ablation is not None:
        drawn, absent = plots(ablation_panels(findings), results)
        yield Section(
            "ablation",
            "Ablation",
            "Ablation",
            (*_design(findings), *_verdicts(findings), *missing_runs(findings)),
            tuple(ablation_tables(findings)),
            tuple(drawn),
            tuple(absent),
        )
    if findings.final is not None:
        drawn, absent = plots(final_panels(findings), results)
        tables = (*final_tables(findings), *openings_tables(findings))
        sentences = tuple(one.verdict for one in (findings.final.sets[0].comparisons if findings.final.sets else ()))
        yield Section("test", "Test", "The sealed test set", sentences, tables, tuple(drawn), tuple(absent))
    if (found := classes_of(findings)) is not None:
        drawn, _ = plots(class_panels(found), results)
        yield Section("classes", "Classes", "Classes", (), tuple(class_tables(found)), tuple(drawn), found.broken)


def _design(findings: Findings) -> list[str]:
    """How the arms were listed, how many seeds were asked for and why."""
    found, facts = findings.ablation, findings.facts("ablation")
    if found is None:
        return []
    text = f"Design: {found.design.replace('_', ' ')}."
    if path := facts.get("path"):
        text += f" The steps in their order: {', '.join(map(setting, path))}."
    if aliases := facts.get("aliases"):
        listed = "; ".join(f"{effect} = {', '.join(map(setting, others))}" for effect, others in aliases.items())
        text += f" A fraction of the factorial, in which these share an estimate: {listed}."
    if first := facts.get("first"):
        wanted = facts.get("wanted", {})
        asked = ", ".join(f"{name} {number}" for name, number in wanted.items()) or MISSING
        text += f" Seeds by Stein's procedure: {first} first, whose variance asked for, in all: {asked}."
    return [text]


def _verdicts(findings: Findings) -> list[str]:
    """The verdicts for which the answer had no room, and those on arms that were tuned again."""
    found = findings.ablation
    return [*verdicts(found)[VERDICTS_SHOWN:], *(one.verdict for one in found.retuned)] if found else []
