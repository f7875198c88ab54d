"""The content of a report, in plain text, for the page and for the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.report.answer import concluded, cost_sentences
from sweeps.report.conclusion.limits import limits
from sweeps.report.conclusion.ranked import Answer
from sweeps.report.conclusion.winner import Winner, winner_of
from sweeps.report.data import ReportData
from sweeps.report.declarations import declaration_tables
from sweeps.report.duplicates.tables import duplicates_tables
from sweeps.report.sections import Section, evidence_sections
from sweeps.report.sentences import opened
from sweeps.report.tables.catalogue import best, cost_tables, openings_tables, outcomes, provenance
from sweeps.report.tables.outcomes import Ends
from sweeps.report.tables.table import Table
from sweeps.study.study import dump


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        data: The data of the report.
        answer: The answer, the strongest finding first.
        winner: The recipe that was found best, if the study has a search.
        limits: What the study does not show, in sentences.
        sections: The sections of the stages after the search, and of the decisions of the search.
        best: The best trials of the search.
        outcomes: The trials that did not complete.
        cost: The cost, in sentences.
        cost_tables: The tables of the cost.
        provenance: The versions, the data and the machine.
        openings: How often the test set was opened, in a sentence.
        openings_tables: The table of the openings, if there is one.
        declaration_tables: The table of what each stage declared before its first run, if one did.
        duplicates_tables: The tables of the images that the study has twice, if there are any.
        study_file: The study file with all defaults.
        command: The command that repeats the study.
    """

    data: ReportData
    answer: Answer
    winner: Winner | None
    limits: list[str]
    sections: list[Section]
    best: Table
    outcomes: Table
    cost: list[str]
    cost_tables: list[Table]
    provenance: Table
    openings: str
    openings_tables: list[Table]
    declaration_tables: list[Table]
    duplicates_tables: list[Table]
    study_file: str
    command: str

    @property
    def searched(self) -> bool:
        """Whether the study has a search; it may have later stages alone."""
        return bool(self.data.results.trials) or not self.data.results.stages

    @property
    def ends(self) -> list[Ends]:
        """The trials that did not complete, by status and reason."""
        return self.data.ends

    @property
    def tables(self) -> list[Table]:
        """Every table, each once."""
        in_sections = [table for section in self.sections for table in section.tables]
        others = [
            *([self.winner.changes] if self.winner and len(self.winner.changes.frame) else []),
            self.best,
            self.outcomes,
            *self.cost_tables,
            self.provenance,
            *self.openings_tables,
            *self.declaration_tables,
            *self.duplicates_tables,
        ]
        # The table of the openings is also in the section of the test set.
        return list({table.name: table for table in (*in_sections, *others)}.values())


def report_of(data: ReportData) -> Report:
    """Return the content of the report on these findings."""
    findings = data.findings
    openings = openings_tables(findings)
    return Report(
        data=data,
        answer=concluded(findings),
        winner=winner_of(findings),
        limits=limits(findings),
        sections=list(evidence_sections(data, openings)),
        best=best(findings),
        outcomes=outcomes(data),
        cost=cost_sentences(data.cost),
        cost_tables=cost_tables(data),
        provenance=provenance(findings),
        openings=opened(findings),
        openings_tables=openings,
        declaration_tables=declaration_tables(findings.results),
        duplicates_tables=duplicates_tables(findings),
        study_file=dump(findings.results.study),
        command=_command(findings.results.environment),
    )


def _command(environment: Mapping[str, Any]) -> str:
    """The command that began the study, or the general one if none was recorded."""
    runs = environment.get("commands") or [{"command": environment.get("command")}]
    command = runs[0].get("command") if isinstance(runs[0], Mapping) else runs[0]
    return " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command or "sweep run study.yaml")
