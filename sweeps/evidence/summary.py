"""Summarize the evidence of each stage after the search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, TEST
from sweeps.evidence.comparison import Comparison, Terms, comparisons
from sweeps.evidence.confirm.confirmation import Confirmation, confirmation_of, fresh_stages
from sweeps.evidence.effect import Effect, effects
from sweeps.evidence.level import Chance, Figure, Level, level, levels
from sweeps.formatting import metric_format, unit_of
from sweeps.stats import Looks
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm

FACTORIAL = "factorial"


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
    return confirmation_of(results, partial(_figure, results))


def ablation(results: Results) -> Ablation | None:
    """Return the evidence of the ablation; None before it has begun."""
    stage = results.stages.get(ABLATION)
    if stage is None or not stage.arms:  # without arms it has only been declared: a race or re-tuning comes first
        return None
    every, resolution = ablation_levels(results)
    terms = _terms(results, resolution)
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


def ablation_levels(results: Results) -> tuple[tuple[Level, ...], float | None]:
    """Return the applicable arms of the ablation, which has begun, and the step to which their figures are rounded."""
    stage = results.stages[ABLATION]
    figure = _figure(results, stage)
    return levels(stage, figure), figure.resolution


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
    """The level of the same recipe, else of the arm of the same name, in fresh runs, else in those of the choice."""
    names = (*fresh_stages(results.study), CONFIRM)
    stages = [results.stages[name] for name in names if name in results.stages]
    candidates = [(stage, other) for stage in stages for other in stage.arms if other.applicable]
    same_recipe = [pair for pair in candidates if pair[1].recipe == arm.recipe]
    matches = same_recipe or [pair for pair in candidates if pair[1].name == arm.name]
    return level(*matches[0], _figure(results, matches[0][0])) if matches else None
