"""The data of one report: what its tables, figures and sentences have in common, each value computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sweeps.artifacts.layout import ABLATION, FINAL
from sweeps.evidence.findings import Findings
from sweeps.evidence.importance import Importance
from sweeps.report.figures import evidence_data, search_data
from sweeps.report.figures.base import hover_texts
from sweeps.report.tables.classes import Classes, classes_of, classes_table, matrix
from sweeps.report.tables.cost import Cost, cost_of, stage_costs
from sweeps.report.tables.other_metrics import further_table
from sweeps.report.tables.outcomes import Ends, ends
from sweeps.storage.results import Results


@dataclass(frozen=True)
class ReportData:
    """The findings of a study with the values that a report shows in several places.

    Each value is computed at its first use and kept. The data frames are shared: do not change them.

    Attributes:
        findings: The findings.
        known_importances: The importance of the settings, where the caller has computed it. None computes it when it is
            needed, which takes seconds.
    """

    findings: Findings
    known_importances: Sequence[Importance] | None = None

    @property
    def results(self) -> Results:
        """The results of the study."""
        return self.findings.results

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """The importance of the searched settings, one per method."""
        return self.findings.importances if self.known_importances is None else tuple(self.known_importances)

    @cached_property
    def cost(self) -> Cost:
        """The cost of the study."""
        return cost_of(self.results, self.findings.epoch_seconds)

    @cached_property
    def stage_costs(self) -> dict[str, Cost]:
        """The cost of each stage that has begun."""
        return stage_costs(self.results, self.findings.epoch_seconds)

    @cached_property
    def ends(self) -> list[Ends]:
        """The trials of all stages that did not complete."""
        return ends(self.results)

    @cached_property
    def classes(self) -> Classes | None:
        """The confusion matrix; None if no run has recorded one."""
        return classes_of(self.findings)

    @cached_property
    def class_accuracies(self) -> pd.DataFrame | None:
        """The accuracy of each class; None without a confusion matrix."""
        return None if self.classes is None else classes_table(self.classes)

    @cached_property
    def confusion(self) -> pd.DataFrame | None:
        """The confusion matrix, one row per pair of classes; None without it."""
        return None if self.classes is None else matrix(self.classes)

    @cached_property
    def further_metrics(self) -> Mapping[str, pd.DataFrame]:
        """The metrics beside the study's, by stage."""
        return {stage: further_table(self.findings, stage) for stage in (ABLATION, FINAL)}

    @cached_property
    def groups(self) -> dict[int, str]:
        """The group of each trial of the search in the figures, by number."""
        return search_data.groups(self.findings)

    @cached_property
    def hover_texts(self) -> dict[int, str]:
        """The text under the pointer for each trial of the search, by number."""
        return hover_texts(self.results)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """The comparisons or effects of the ablation with their intervals."""
        return evidence_data.differences(self.findings)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """The pairs of runs behind the comparisons."""
        return evidence_data.pairs(self.findings)

    @cached_property
    def path(self) -> pd.DataFrame:
        """The steps of a path from the baseline to the incumbent."""
        return evidence_data.path(self.findings)
