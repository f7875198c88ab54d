"""What a report is made from: a study's results and what its later stages have shown, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweeps import evidence
from sweeps.evidence.summary import Ablation, Confirmation, FinalEvidence
from sweeps.formatting import MetricFormat, measure
from sweeps.storage.results import Results


@dataclass(frozen=True)
class Findings:
    """Results and evidence; a stage that has not begun is None."""

    results: Results
    confirmation: Confirmation | None = None
    ablation: Ablation | None = None
    final: FinalEvidence | None = None

    @classmethod
    def of(cls, results: Results) -> Findings:
        """What the recorded runs of `results` show."""
        if not results.stages:
            return cls(results)
        return cls(results, evidence.confirmation(results), evidence.ablation(results), evidence.final(results))

    @property
    def words(self) -> MetricFormat:
        """The metric of validation, in words."""
        return measure(self.results.study.metric)

    def facts(self, stage: str) -> Mapping[str, Any]:
        """What a stage decided by; empty before it has begun."""
        return self.results.stages[stage].facts if stage in self.results.stages else {}

    @property
    def openings(self) -> list[Mapping[str, Any]]:
        """The openings of the test set by this study, in their order."""
        return list(self.facts("final").get("openings", ()))

    @property
    def earlier_openings(self) -> int:
        """How often other studies have opened the same test set."""
        return int(self.facts("final").get("earlier_openings", 0))
