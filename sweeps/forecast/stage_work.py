"""Forecast the work of each stage, in epochs of the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.artifacts.layout import ABLATION, CONFIRM, FINAL, SEARCH
from sweeps.designs.path import FIRST
from sweeps.forecast.outline import StudyOutline
from sweeps.forecast.ranges import Range
from sweeps.forecast.search import Ladder, forecast_search
from sweeps.formatting import count, size_of_search
from sweeps.stats import expected_n
from sweeps.study.sections import Ablation, Seeds
from sweeps.study.stages import fresh_runs, stages_of


@dataclass(frozen=True)
class StageWork:
    """The runs of a stage and their work.

    Attributes:
        description: The runs in words, such as "the best 5 × 3 seeds".
        runs: The number of runs.
        work: The work of all runs, in epochs of the baseline.
        longest: The work of the longest run, in epochs of the baseline.
        ladder: Where the trials of the search pause; None in other stages, and where they do not.
    """

    description: str
    runs: Range
    work: Range
    longest: float
    ladder: Ladder | None = None


def work_by_stage(outline: StudyOutline) -> Mapping[str, StageWork]:
    """Return the work of each stage of a study, in the order in which they run."""
    search = {SEARCH: _search(outline)} if any(stage.name == SEARCH for stage in stages_of(outline.study)) else {}
    return {**search, **work_after_search(outline)}


def work_after_search(outline: StudyOutline) -> Mapping[str, StageWork]:
    """Return the work of each stage after the search, in the order in which they run."""
    forecasts = {CONFIRM: _confirm, ABLATION: _ablation, FINAL: _final}
    return {stage.name: forecasts[stage.name](outline) for stage in stages_of(outline.study) if stage.name in forecasts}


def _search(outline: StudyOutline) -> StageWork:
    study, search, section = outline.study, forecast_search(outline), outline.study.early_terminate
    rule = "" if section is None else f", early termination ({', '.join(filter(None, [section.type, section.mode]))})"
    size = "" if study.budget.trainings is None else f", {size_of_search(study)}"
    longest = outline.trial_work.scaled(outline.epochs).likely
    return StageWork(f"{study.method}{rule}{size}", search.trials, search.work, longest, search.ladder)


def _confirm(outline: StudyOutline) -> StageWork:
    rule = outline.study.confirm
    assert rule is not None
    run, fresh = outline.trial_work.scaled(outline.epochs), fresh_runs(outline.study, rule.top)
    runs = rule.top * rule.seeds + fresh
    words = f"the best {rule.top} × {rule.seeds} seeds" + (f", the chosen one × {fresh} more" if fresh else "")
    return StageWork(words, Range.of(runs), run.scaled(runs), run.likely)


def _ablation(outline: StudyOutline) -> StageWork:
    ablation = outline.study.ablation
    assert ablation is not None
    if ablation.design == "path":
        return _path(outline, ablation)
    arms, seeds = outline.applicable_arms, _seeds(ablation)
    works = [outline.work(arm) for arm in arms]
    run = outline.incumbent_work.scaled(outline.epochs)
    words = f"{ablation.design}: {len(arms)} arms × {_seeds_in_words(ablation)}"
    work = StageWork(words, seeds.scaled(len(arms)), seeds * run.scaled(sum(works)), run.likely * max(works))
    return work if ablation.retune is None else _retuned(outline, work, ablation.retune.trials, sum(works))


def _retuned(outline: StudyOutline, plain: StageWork, trials: int, works: float) -> StageWork:
    """The ablation when each arm is also tuned in a small search without early termination, and measured again.

    `plain` is the ablation without re-tuning, `works` the work of one run of every arm, in runs of the incumbent.
    """
    tuning = outline.incumbent_work.scaled(outline.epochs * trials * works)
    runs = plain.runs.scaled(2) + Range.of(trials * len(outline.applicable_arms))
    words = f"{plain.description}, each again after tuning it in {trials} trials"
    return StageWork(words, runs, plain.work.scaled(2) + tuning, plain.longest)


def _path(outline: StudyOutline, ablation: Ablation) -> StageWork:
    """The race for the order of the steps, and the measurement of each step.

    Every dimension is a step at most. The race tries at each position all remaining steps, except at the last one.
    """
    steps, seeds = len(outline.study.space.dimensions), _seeds(ablation)
    candidates, most_seeds = steps * (steps + 1) // 2 - 1, ablation.min_seeds
    raced = Range(0, candidates * min(FIRST, most_seeds), candidates * most_seeds)
    runs = Range(2, steps + 1, steps + 1) * seeds + raced
    trial = outline.trial_work
    run = Range(min(1, trial.low), trial.likely, max(1, trial.high)).scaled(outline.epochs)
    return StageWork(f"path: at most {steps} steps × {_seeds_in_words(ablation)}", runs, runs * run, run.likely)


def _final(outline: StudyOutline) -> StageWork:
    final = outline.study.final
    assert final is not None
    works = [outline.work(arm) for arm in outline.applicable_arms] if final.arms == "all" else [1.0]
    run = outline.incumbent_work.scaled(outline.epochs)
    words = (
        f"{len(works)} arm{'s' if len(works) > 1 else ''} × {count(final.seeds, 'seed')}, validation images included"
    )
    runs = Range.of(len(works) * final.seeds)
    return StageWork(words, runs, run.scaled(final.seeds * sum(works)), run.likely * max(works))


def _seeds(ablation: Ablation) -> Range:
    """The replicates per arm; likely are those for a standard deviation equal to the precision.

    With anytime a comparison without a difference is decided only at the most.
    """
    rule = ablation.seeds
    if not isinstance(rule, Seeds):
        return Range.of(rule)
    if rule.precision is None:
        return Range(rule.min, rule.max, rule.max)
    return Range(rule.min, expected_n(rule.precision, rule.precision, rule.min, rule.max), rule.max)


def _seeds_in_words(ablation: Ablation) -> str:
    rule = ablation.seeds
    return f"{rule.min} to {rule.max} seeds" if isinstance(rule, Seeds) else f"{rule} seeds"
