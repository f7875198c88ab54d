"""Summarize the evidence of each stage after the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, TEST
from sweeps.evidence.comparison import Comparison, Terms, comparisons
from sweeps.evidence.effect import Effect, effects
from sweeps.evidence.level import Chance, Figure, Level, level, levels
from sweeps.formatting import metric_format, unit_of
from sweeps.stats import Looks
from sweeps.stats.goal import sign
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Trial

FACTORIAL = "factorial"


@dataclass(frozen=True)
class Confirmation:
    """The evidence of confirm.

    Attributes:
        levels: The candidates, best mean first. The first is the incumbent once the stage is complete.
        searched: The value of each candidate in the search, by arm: a selected extreme of single runs.
        complete: Whether every run of the stage has ended.
    """

    levels: tuple[Level, ...]
    searched: Mapping[str, float]
    complete: bool


@dataclass(frozen=True)
class Ablation:
    """The evidence of the ablation so far.

    Attributes:
        design: The design by which the arms were listed.
        levels: The applicable arms, in their order.
        comparisons: Each arm against its reference; empty for a factorial.
        retuned: The same for the arms that were each tuned again.
        effects: The effects of a factorial; empty for other designs.
        not_applicable: The arms that are never trained.
        superseded: The number of runs whose recipe no arm has any more.
    """

    design: str
    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]
    retuned: tuple[Comparison, ...]
    effects: tuple[Effect, ...]
    not_applicable: tuple[Arm, ...]
    superseded: int


@dataclass(frozen=True)
class LabelledSetResult:
    """The evidence on one labelled set in the stage final: the levels of the arms and their comparisons, if any."""

    name: str
    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class FinalEvidence:
    """The evidence of the opened test set.

    Attributes:
        validation: The levels of the same arms in the ablation or in confirm.
        sets: The labelled sets, "test" first.
    """

    validation: tuple[Level, ...]
    sets: tuple[LabelledSetResult, ...]


def confirmation(results: Results) -> Confirmation | None:
    """Return the evidence of confirm; None before it has begun."""
    stage = results.stages.get(CONFIRM)
    if stage is None:
        return None
    factor = -sign(results.study.metric.goal)
    # Arms without any value come last, whatever the goal.
    every = levels(stage, _figure(results, stage))
    ordered = sorted(every, key=lambda level: (not level.values, factor * _mean(level)))
    ranked = results.ranked()
    searched = {arm.name: value for arm in stage.arms if (value := _searched(ranked, arm)) is not None}
    return Confirmation(tuple(ordered), searched, _complete(results, stage))


def ablation(results: Results) -> Ablation | None:
    """Return the evidence of the ablation; None before it has begun."""
    stage = results.stages.get(ABLATION)
    if stage is None or not stage.arms:  # without arms it has only been declared: a race or re-tuning comes first
        return None
    figure = _figure(results, stage)
    every, terms = levels(stage, figure), _terms(results, figure.resolution)
    fixed = [level for level in every if not level.arm.tuned]
    factorial = terms.design == FACTORIAL  # effects take the place of comparisons
    return Ablation(
        design=terms.design,
        levels=every,
        comparisons=() if factorial else comparisons(fixed, terms),
        retuned=comparisons([level for level in every if level.arm.tuned], terms),
        effects=effects(fixed, terms) if factorial else (),
        not_applicable=tuple(arm for arm in stage.arms if not arm.applicable),
        superseded=stage.superseded,
    )


def final(results: Results) -> FinalEvidence | None:
    """Return the evidence of the opened test set; None while it is sealed."""
    stage = results.stages.get(FINAL)
    if stage is None or not stage.facts.get("sets"):
        return None
    names = sorted(stage.facts["sets"], key=lambda name: name != TEST)
    earlier = (_validation(results, arm) for arm in stage.arms if arm.applicable)
    return FinalEvidence(
        validation=tuple(level for level in earlier if level is not None),
        sets=tuple(_labelled_set(results, stage, name) for name in names),
    )


def _terms(results: Results, resolution: float | None) -> Terms:
    """What the ablation's comparisons share; before it has begun, as the study file asks for it."""
    section = results.study.ablation
    facts = results.stages[ABLATION].facts if ABLATION in results.stages else {}
    return Terms(
        metric_format=metric_format(results.study.metric, results.percentages),
        design=facts.get("design") or (section.design if section else ""),
        margin=section.margin if section else None,
        first=facts.get("first"),
        looks=Looks(*facts["anytime"]) if "anytime" in facts else None,
        components=tuple((section.components or ()) if section else ()),
        resolution=resolution,
    )


def _figure(results: Results, stage: StageResults, part: str = "") -> Figure:
    metric, percent = results.study.metric, bool(unit_of(results.study.metric.name, results.percentages))
    images = results.images(stage, part) if percent else None
    level = results.chance
    chance = None if level is None else Chance.of(level, metric.goal, percent, images)
    return Figure(part, metric.name.removeprefix("val_"), percent, chance, 100 / images if images else None)


def _labelled_set(results: Results, stage: StageResults, name: str) -> LabelledSetResult:
    figure = _figure(results, stage, name)
    on_set, terms = levels(stage, figure), _terms(results, figure.resolution)
    # Stein's first stage belongs to the seeds of the ablation; those of final are a fixed number.
    terms = replace(terms, metric_format=terms.metric_format.on(name), first=None, looks=None, components=())
    return LabelledSetResult(name, on_set, comparisons(on_set, terms))


def _validation(results: Results, arm: Arm) -> Level | None:
    """The level of the same recipe, else of the arm of the same name, in the ablation, else in confirm."""
    stages = [results.stages[name] for name in (ABLATION, CONFIRM) if name in results.stages]
    candidates = [(stage, other) for stage in stages for other in stage.arms if other.applicable]
    same_recipe = [pair for pair in candidates if pair[1].recipe == arm.recipe]
    matches = same_recipe or [pair for pair in candidates if pair[1].name == arm.name]
    return level(*matches[0], _figure(results, matches[0][0])) if matches else None


def _complete(results: Results, stage: StageResults) -> bool:
    replicates = range(results.study.confirm.seeds) if results.study.confirm else range(0)
    by_arm = [stage.replicates(arm) for arm in stage.arms if arm.applicable]
    return bool(by_arm) and all(n in runs and runs[n].ended for runs in by_arm for n in replicates)


def _searched(ranked: Sequence[Trial], arm: Arm) -> float | None:
    """The value of the search trial that an arm comes from: the best one of its name, else its recipe or settings."""
    same = [trial for trial in ranked if arm.name == f"trial {trial.number}"]
    same = same or [trial for trial in ranked if trial.recipe and trial.recipe == arm.recipe]
    same = same or [trial for trial in ranked if arm.edits and dict(trial.parameters) == dict(arm.edits)]
    return same[0].value if same else None


def _mean(level: Level) -> float:
    return sum(level.values.values()) / len(level.values) if level.values else 0.0
