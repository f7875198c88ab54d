"""The schedulers of the stages that a run asks for, in order, each set up when the one before it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sweeps.artifacts.layout import SEARCH as SEARCH_TRIALS
from sweeps.designs import Design
from sweeps.pruners.factory import promotion_rule, stopping_rule
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.protocol import Scheduler
from sweeps.samplers.sampler import Sampler
from sweeps.samplers.warm_start import stored_sources
from sweeps.stages.ablation.path_race import PathRace
from sweeps.stages.ablation.retune import Retuning, tuned_arms
from sweeps.stages.ablation.stage import Ablation, design_of, facts_of
from sweeps.stages.confirm.fresh import fresh_runs_of
from sweeps.stages.confirm.stage import Confirm
from sweeps.stages.context import Context, declare
from sweeps.stages.final import Final
from sweeps.stages.incumbent import NotYet, parameters_of
from sweeps.stages.one_epoch_search import OneEpochSearch
from sweeps.stages.pausing.promoting import PromotingSearch
from sweeps.stages.repeats import Repeats
from sweeps.stages.search import Search
from sweeps.storage.results import STOPS
from sweeps.study.stages import ABLATION, CONFIRM, FINAL, SEARCH, RunRequest, Stage
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status


def parts(context: Context, request: RunRequest, environment: Mapping[str, Any]) -> Iterator[tuple[Stage, Scheduler]]:
    """Yield the stage and the scheduler of each part. A part is set up when it is asked for, from what is stored then.

    Raises:
        UserError: A part cannot begin.
    """
    if SEARCH in request.stages:
        searching = search(context)
        yield SEARCH, searching
        if isinstance(searching, PromotingSearch) and searching.saves_nothing:
            yield SEARCH, search(context)  # which stops trials from now on
    if CONFIRM in request.stages:
        yield CONFIRM, Confirm(context)
        if (fresh := fresh_runs_of(context)) is not None:
            yield CONFIRM, fresh
    if ABLATION in request.stages:
        for part in _ablation(context):
            yield ABLATION, part
    if FINAL in request.stages:
        yield FINAL, Final(context, environment, request.open_again)
    if request.repeat:
        last = request.stages[-1]
        yield last, Repeats(context, last, request.repeat)


def search(context: Context) -> Search:
    """Return the scheduler of the search. The baseline is its first trial where the space contains it.

    A grid is left as it is.
    """
    study, storage = context.study, context.storage.search
    sources = stored_sources(context.storage.folder, context.storage.environment())
    sampler = Sampler(study, storage, context.gate, context.observer.on_end, sources)
    baseline = parameters_of(study.space, context.workload, context.gate.baseline().settings)
    untouched = all(trial.status is Status.ABANDONED for trial in storage.trials()) and not storage.waiting()
    if untouched and study.method != "grid" and baseline and study.space.contains(baseline):
        sampler.enqueue(baseline, BASELINE)
    promotion = promotion_rule(study, context.workload)
    if promotion is not None and STOPS not in storage.decided()["facts"]:
        return PromotingSearch(context, SEARCH, storage, sampler, SEARCH_TRIALS, promotion)
    pruner = stopping_rule(study, context.workload)
    if isinstance(pruner, OneEpoch):
        return OneEpochSearch(context, SEARCH, storage, sampler, SEARCH_TRIALS, pruner)
    return Search(context, SEARCH, storage, sampler, purpose=SEARCH_TRIALS)


def _ablation(context: Context) -> Iterator[Scheduler]:
    section = context.study.ablation
    assert section is not None
    if section.design == "path":
        race = PathRace(context)
        yield race
        _require_ended(race, "the race for the order of the path")
        design = race.design()
    else:
        design = design_of(context)
    if section.retune is None:
        yield Ablation(context, design.arms, facts_of(design))
        return
    declare(context, ABLATION)  # the searches are its first runs
    retuning = Retuning(context, design.arms)
    yield retuning
    _require_ended(retuning, "re-tuning")
    yield _with_retuned(context, design)


def _require_ended(part: Scheduler, name: str) -> None:
    if part.cut:
        raise NotYet(f"{name} has not ended")


def _with_retuned(context: Context, design: Design) -> Ablation:
    retuned, chosen = tuned_arms(context, design.arms)
    return Ablation(context, [*design.arms, *retuned], {**facts_of(design), "tuned": chosen})
