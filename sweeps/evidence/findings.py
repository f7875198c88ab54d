"""The results of a study with everything that they show: the input of reports, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweeps import evidence
from sweeps.artifacts.curves import EPOCH, SECONDS
from sweeps.artifacts.layout import FINAL
from sweeps.evidence.caveats import caveats
from sweeps.evidence.confirm.confirmation import Confirmation
from sweeps.evidence.crossed import CrossedSet, crossed_sets
from sweeps.evidence.images import ImageEvidence, image_evidence
from sweeps.evidence.importance import Importance
from sweeps.evidence.search import SearchHistory, search_history
from sweeps.evidence.search.decisions import UNBOUNDED
from sweeps.evidence.selection import ModelSelection, baseline_trial, selections_after
from sweeps.evidence.summary import Ablation, FinalEvidence
from sweeps.formatting import MetricFormat, metric_format, unit_of
from sweeps.storage.results import Results
from sweeps.trial.trial import Trial


@dataclass(frozen=True)
class Findings:
    """The results of a study and what they show. Each value is computed at its first use and kept.

    Example:
        findings = Findings.of(open_results(Path("runs"), "quickstart"))
        if findings.ablation is not None:
            print(*(comparison.verdict for comparison in findings.ablation.comparisons), sep="\n")
    """

    results: Results

    @classmethod
    def of(cls, results: Results) -> Findings:
        """Return the findings of `results`."""
        return cls(results)

    @cached_property
    def metric_format(self) -> MetricFormat:
        """The format of the study's metric on validation data."""
        return metric_format(self.results.study.metric, self.results.percentages)

    @cached_property
    def last_epochs(self) -> Mapping[tuple[str, int], Mapping[str, float]]:
        """What the workload measured beside the study's metric in a trial's last epoch, by stage and number.

        The curve file of each trial is read once. A trial without one has nothing.
        """
        return self._curve_files[0]

    @cached_property
    def epoch_seconds(self) -> Mapping[tuple[str, int], Sequence[float]]:
        """The time in seconds that each epoch of a trial held its device, by stage and number, in their order."""
        return self._curve_files[1]

    @cached_property
    def _curve_files(
        self,
    ) -> tuple[Mapping[tuple[str, int], Mapping[str, float]], Mapping[tuple[str, int], Sequence[float]]]:
        """What the curve files hold beside the study's metric: of the last epoch, and the time of each epoch."""
        beside = {EPOCH, SECONDS, self.results.study.metric.name}
        last: dict[tuple[str, int], Mapping[str, float]] = {}
        seconds: dict[tuple[str, int], Sequence[float]] = {}
        for trial in self.results.everything:
            if rows := self.results.rows(trial.number, trial.stage):
                last[trial.stage, trial.number] = {n: value for n, value in rows[-1].items() if n not in beside}
                seconds[trial.stage, trial.number] = [row[SECONDS] for row in rows if SECONDS in row]
        return last, seconds

    @cached_property
    def ranked(self) -> tuple[Trial, ...]:
        """The completed trials of the search, best first."""
        return tuple(self.results.ranked())

    @cached_property
    def baseline_trial(self) -> Trial | None:
        """The trial of the search that has the settings of the baseline; None if there is none."""
        return baseline_trial(self.results)

    @cached_property
    def search_history(self) -> SearchHistory:
        """The decisions of the search in their order; without steps where none is on record."""
        percent = bool(unit_of(self.results.study.metric.name, self.results.percentages))
        return search_history(self.results.trials, (0.0, 100.0) if percent else UNBOUNDED)

    @cached_property
    def confirmation(self) -> Confirmation | None:
        """The evidence of confirm; None before it has begun."""
        return evidence.confirmation(self.results)

    @cached_property
    def ablation(self) -> Ablation | None:
        """The evidence of the ablation; None before it has begun."""
        return evidence.ablation(self.results)

    @cached_property
    def final(self) -> FinalEvidence | None:
        """The evidence of the opened test set; None while it is sealed."""
        return evidence.final(self.results)

    @cached_property
    def images(self) -> ImageEvidence:
        """The evidence from the predictions for each image, which replicates keep."""
        return image_evidence(self.results)

    @cached_property
    def crossed(self) -> Mapping[str, CrossedSet]:
        """The accuracies and differences over seeds and images on each labelled set of final, by set."""
        return crossed_sets(self.results, self.final)

    @cached_property
    def selections(self) -> tuple[ModelSelection, ...]:
        """The runs that may stand for the study, in the order of preference."""
        return tuple(selections_after(self.results, self.confirmation))

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """The importance of the searched settings by each method; empty with too few comparable trials."""
        # Optuna takes about a second to import.
        from sweeps.evidence.importance_estimators import importances

        return tuple(importances(self.results))

    @cached_property
    def caveats(self) -> tuple[str, ...]:
        """A sentence for each reason to read the figures with care."""
        return tuple(caveats(self.results))

    def facts(self, stage: str) -> Mapping[str, Any]:
        """Return the facts by which a stage was planned; empty before it has begun."""
        return self.results.stages[stage].facts if stage in self.results.stages else {}

    @property
    def openings(self) -> list[Mapping[str, Any]]:
        """The openings of the test set by this study, in their order."""
        return list(self.facts(FINAL).get("openings", ()))

    @property
    def earlier_openings(self) -> int:
        """The number of openings of the same test set by other studies."""
        return int(self.facts(FINAL).get("earlier_openings", 0))

    @property
    def openings_of_parts(self) -> list[Mapping[str, Any]]:
        """The openings of other test sets that share images with this one, in their order."""
        return list(self.facts(FINAL).get("openings_of_parts", ()))
