"""Everything that a report says, in plain text, before it is put on a page or into a summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps.evidence.findings import Findings
from sweeps.report.answer import cost_sentences, whole_answer
from sweeps.report.sections import Section, evidence_sections
from sweeps.report.sentences import opened
from sweeps.report.tables.catalogue import Table, best, cost_tables, provenance
from sweeps.report.tables.cost import cost_of
from sweeps.report.tables.outcomes import Ends, ends
from sweeps.study.study import dump


@dataclass(frozen=True)
class Report:
    """What page and summary have in common."""

    findings: Findings
    answer: list[str]
    sections: list[Section]
    best: Table
    cost: list[str]
    cost_tables: list[Table]
    provenance: Table
    openings: str
    ends: list[Ends]
    study_file: str
    command: str

    @property
    def searched(self) -> bool:
        """Whether there is a search to tell of; a study of stages alone has none."""
        return bool(self.findings.results.trials) or not self.findings.results.stages


def report_of(findings: Findings) -> Report:
    """What a report on these findings says."""
    results = findings.results
    return Report(
        findings=findings,
        answer=whole_answer(findings),
        sections=list(evidence_sections(findings)),
        best=best(findings),
        cost=cost_sentences(cost_of(results)),
        cost_tables=cost_tables(findings),
        provenance=provenance(findings),
        openings=opened(findings),
        ends=ends(results),
        study_file=dump(results.study),
        command=_command(results.environment),
    )


def _command(environment: Mapping[str, Any]) -> str:
    """The command that began the study, or the general one where none was recorded."""
    runs = environment.get("commands") or [{"command": environment.get("command")}]
    command = runs[0].get("command") if isinstance(runs[0], Mapping) else runs[0]
    return " ".join(map(str, command)) if isinstance(command, list | tuple) else str(command or "sweep run study.yaml")
