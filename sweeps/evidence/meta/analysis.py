"""One meta-analysis per component: the differences of all studies, their mean, and how many studies replicate it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from sweeps.artifacts.layout import ABLATION
from sweeps.evidence.comparison import Comparison
from sweeps.evidence.findings import Findings
from sweeps.evidence.verdict import PATH
from sweeps.formatting import count, listed
from sweeps.io.errors import UserError
from sweeps.stats import ALPHA, Paired, RandomEffects, holm, random_effects, replications


class Incompatible(UserError):
    """Studies whose differences are not of one metric, or which have no component in common."""


@dataclass(frozen=True)
class StudyDifference:
    """The difference that a component's removal makes in one study.

    Attributes:
        study: The name of the study.
        comparison: The comparison of its ablation.
        paired: The paired statistics of the comparison.
    """

    study: str
    comparison: Comparison
    paired: Paired

    @property
    def error(self) -> float:
        """The standard error of the mean difference; 0 where all pairs are equal and no resolution is known."""
        return self.paired.sd / math.sqrt(self.paired.n)

    def p_one_sided(self, rises: bool) -> float:
        """Return the p of the one-sided paired t test that the difference is above 0 (`rises`) or below it."""
        half = self.paired.p / 2
        return half if (self.paired.mean > 0) == rises else 1 - half


@dataclass(frozen=True)
class MetaAnalysis:
    """A component over the studies that ablate it.

    Attributes:
        component: The component, or the components that are removed together, joined by ", ".
        differences: The difference in each study that has two pairs or more.
        pooled: Their random-effects mean and heterogeneity; None below two studies with a spread.
        p_holm: The p of the mean, adjusted over the components (Holm).
        lowered: In how many studies, at least, the removal lowers the metric (partial conjunction, one-sided level
            2.5 %).
        raised: In how many, at least, it raises the metric.
        without_spread: The studies whose pairs all differ by the same amount. They have no standard error, so they are
            not in the mean.
        family: The number of components over which p is adjusted.
    """

    component: str
    differences: tuple[StudyDifference, ...]
    pooled: RandomEffects | None
    p_holm: float | None
    lowered: int
    raised: int
    without_spread: tuple[str, ...]
    family: int = 0


def meta_analyses(studies: Mapping[str, Findings]) -> tuple[MetaAnalysis, ...]:
    """Combine the ablations of `studies`, by name, for each component that two of them or more have in common.

    Raises:
        Incompatible: The studies have different metrics, or no component in common.
    """
    _require_one_metric(studies)
    by_component: dict[str, list[StudyDifference]] = {}
    for name, findings in studies.items():
        for component, difference in _differences(name, findings):
            by_component.setdefault(component, []).append(difference)
    shared = {component: found for component, found in by_component.items() if len(found) > 1}
    if not shared:
        have = "; ".join(f"{name}: {_listed(name, by_component)}" for name in studies)
        raise Incompatible(
            f"no component has two pairs of runs in two studies: {have}. A meta-analysis needs the ablation of the "
            f"same component, by the same name, in two studies or more"
        )
    analyses = [_analysis(component, found) for component, found in shared.items()]
    pooled_p = {one.component: one.pooled.p for one in analyses if one.pooled}
    adjusted = dict(zip(pooled_p, holm(list(pooled_p.values())), strict=True))
    return tuple(replace(one, p_holm=adjusted.get(one.component), family=len(adjusted)) for one in analyses)


def reservations(studies: Mapping[str, Findings]) -> list[str]:
    """Return a sentence for each reason to take the combined figures with care."""
    by_data: dict[str, list[str]] = {}
    for name, findings in studies.items():
        by_data.setdefault(str(findings.results.environment.get("data", {}).get("fingerprint", "")), []).append(name)
    notes = [
        f"{' and '.join(names)} use the same data: they show that a difference holds for other recipes or budgets, not "
        f"for other data."
        for fingerprint, names in by_data.items()
        if fingerprint and len(names) > 1
    ]
    unknown = by_data.get("", [])
    notes += [f"Which data {listed(unknown)} used is not known."] if unknown else []
    notes += _common_runs(studies)
    paths = [name for name, findings in studies.items() if findings.ablation and findings.ablation.design == PATH]
    if paths:
        notes.append(f"{', '.join(paths)}: the steps of a path build on each other, so they are not combined.")
    factorials = [name for name, findings in studies.items() if findings.ablation and findings.ablation.effects]
    if factorials:
        notes.append(f"{', '.join(factorials)}: the effects of a factorial average over the other parts: not combined.")
    return notes


def _common_runs(studies: Mapping[str, Findings]) -> Iterator[str]:
    """Yield a sentence for each two studies whose ablations contain runs of one recipe and seed with one figure."""
    stages = {name: findings.results.stages.get(ABLATION) for name, findings in studies.items()}
    runs = {
        name: {(run.recipe, run.replicate, run.seed, run.value) for run in stage.trials if run.value is not None}
        for name, stage in stages.items()
        if stage is not None
    }
    for one, other in combinations(runs, 2):
        if shared := len(runs[one] & runs[other]):
            yield (
                f"{one} and {other} have {count(shared, 'run')} of one recipe and seed in common: they are not "
                f"independent, and the mean counts what they share twice."
            )


def _require_one_metric(studies: Mapping[str, Findings]) -> None:
    metrics = {name: findings.results.study.metric for name, findings in studies.items()}
    if len({(metric.name, metric.goal, metric.at) for metric in metrics.values()}) > 1:
        listed = "; ".join(f"{name}: {one.name} ({one.goal}, {one.at} epoch)" for name, one in metrics.items())
        raise Incompatible(f"differences of several metrics cannot be combined: {listed}; name studies of one metric")


def _differences(name: str, findings: Findings) -> Iterator[tuple[str, StudyDifference]]:
    """The comparisons of a study's ablation with two pairs or more, by component."""
    ablation = findings.ablation
    if ablation is None or ablation.design == PATH:
        return
    for comparison in ablation.comparisons:
        if comparison.paired is not None:
            component = ", ".join(comparison.arm.removed) or comparison.arm.name
            yield component, StudyDifference(name, comparison, comparison.paired)


def _analysis(component: str, found: Sequence[StudyDifference]) -> MetaAnalysis:
    spread = [one for one in found if one.error > 0]
    pooled = None
    if len(spread) > 1:
        pooled = random_effects([one.paired.mean for one in spread], [one.error for one in spread])
    lowered, raised = (replications([one.p_one_sided(rises) for one in found], ALPHA / 2) for rises in (False, True))
    without = tuple(one.study for one in found if one.error == 0)
    return MetaAnalysis(component, tuple(found), pooled, None, lowered, raised, without)


def _listed(study: str, by_component: Mapping[str, Sequence[StudyDifference]]) -> str:
    names = [component for component, found in by_component.items() if any(one.study == study for one in found)]
    return ", ".join(names) or "none"
