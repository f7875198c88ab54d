"""Re-tuning: a small search for each arm, so that no arm is judged with settings chosen for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.artifacts.layout import RETUNE
from sweeps.recipe.keys import nested_in
from sweeps.runners.protocol import Decision, DeviceLoss, End, Epoch, Job, Note, Preemption
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.samplers.sampler import Sampler
from sweeps.space.space import TOGGLE
from sweeps.stages.context import Context
from sweeps.stages.incumbent import parameters_of
from sweeps.stages.search import Search
from sweeps.storage.results import Results
from sweeps.study.parameters import Parameter
from sweeps.study.search.settled import search_rules
from sweeps.study.stages import ABLATION
from sweeps.study.study import Study
from sweeps.trial.arm import BASELINE, RETUNED, Arm, digest
from sweeps.trial.trial import Status


class Retuning:
    """The searches of all arms under one scheduler, so that no device waits for the last trial of an arm."""

    def __init__(self, context: Context, arms: Sequence[Arm]) -> None:
        self._searches: dict[str, Search] = {}
        self._arms: dict[str, str] = {}  # the name of the arm that each search tunes
        for arm in arms:
            study = tuning_study(context, arm)
            if arm.applicable and study is not None and storage_name(study) not in self._searches:
                self._searches[storage_name(study)] = _search(context, study)
                self._arms[storage_name(study)] = arm.name

    @property
    def failure(self) -> str:
        """Empty: an arm whose search failed keeps its settings, so re-tuning never gives up."""
        return ""

    @property
    def gave_up(self) -> list[str]:
        """Why searches gave up, a clause for each."""
        return [
            f"tuning {self._arms[name]} again gave up: {search.failure}"
            for name, search in self._searches.items()
            if search.failure
        ]

    @property
    def cut(self) -> bool:
        """Whether the budget keeps a search from going on."""
        return any(search.cut for search in self._searches.values())

    @property
    def done(self) -> bool:
        """Whether every search has ended."""
        return all(search.done for search in self._searches.values())

    @property
    def stopping(self) -> bool:
        """False: see `failure`."""
        return False

    def suggest(self) -> Job | None:
        """Return a job of the first search that has one."""
        return next((job for search in self._searches.values() if (job := search.suggest()) is not None), None)

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""
        return self._searches[job.stage].on_epoch(job, epoch)

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended."""
        self._searches[job.stage].on_end(job, end)

    def on_device_loss(self, job: Job, loss: DeviceLoss) -> Decision:
        """Record that the process of a job has lost its device."""
        return self._searches[job.stage].on_device_loss(job, loss)

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Record that a job left before its end."""
        self._searches[job.stage].on_preempted(job, preemption)

    def on_note(self, job: Job, note: Note) -> None:
        """Pass a message about a job on to the observer."""
        self._searches[job.stage].on_note(job, note)

    def on_death(self, job: Job) -> Decision:
        """Record that the process of a job died."""
        return self._searches[job.stage].on_death(job)


def tuned_arms(context: Context, arms: Sequence[Arm]) -> tuple[list[Arm], dict[str, dict[str, Any]]]:
    """Return each arm at the best settings of its own search.

    Returns:
        The re-tuned arms, and for each, by its name, the searched values that its search chose.
    """
    results = context.storage.results()
    retuned: list[Arm] = []
    chosen: dict[str, dict[str, Any]] = {}
    for arm in arms:
        name = f"{arm.name}{RETUNED}"
        reference = f"{arm.reference}{RETUNED}" if arm.reference else ""
        if not arm.applicable:
            retuned.append(replace(arm, name=name, reference=reference, tuned=True))
            continue
        study = tuning_study(context, arm)
        best = _best(results, storage_name(study)) if study is not None else {}
        feasibility = context.gate.weigh(arm.settings, best)
        chosen[name] = dict(best)
        settings, cost = feasibility.settings, feasibility.cost
        retuned.append(replace(arm, name=name, reference=reference, tuned=True, settings=settings, cost=cost))
    return retuned, chosen


def storage_name(study: Study) -> str:
    """Return the name under which the trials of an arm's search are stored: a digest of its recipe and its space."""
    space = {key: parameter.model_dump(mode="json") for key, parameter in study.parameters.items()}
    return f"{RETUNE}{digest({'recipe': study.baseline, 'space': space})}"


def tuning_study(context: Context, arm: Arm) -> Study | None:
    """Return the study that tunes `arm`, with its recipe as the baseline; None if there is nothing to tune.

    The space has the parameters that `ablation.retune` names, without those that the arm's own edits set and those that
    its model does not have.
    """
    study = context.study
    assert study.ablation is not None
    section = study.ablation.retune
    assert section is not None
    parameters: dict[str, Parameter] = {}
    for key in section.parameters:
        conditions = study.parameters[key].when
        holds = all(_has(context, arm, parent) in values for parent, values in conditions.items())
        exists = key.startswith(TOGGLE) or context.workload.schema.takes(arm.settings, key)
        if holds and exists and not any(nested_in(key, edit) or nested_in(edit, key) for edit in arm.edits):
            parameters[key] = study.parameters[key].model_copy(update={"when": {}})
    if not parameters:
        return None
    changes: dict[str, Any] = {
        "baseline": dict(arm.settings),
        "parameters": parameters,
        "toggles": (),
        "warm_start": (),
        "method": search_rules(context.storage.environment())["bayes"],
        "metric": study.metric.model_copy(update={"target": None}),  # every arm is tuned for as long
        "run_cap": section.trials,
        "early_terminate": None,
        "confirm": None,
        "ablation": None,
        "final": None,
        "evaluate": (),
        "budget": None,
    }
    return study.edited(changes)


def _has(context: Context, arm: Arm, key: str) -> Any:
    """The value of a searched setting in an arm, None if it has none; for a toggle, whether it is on."""
    schema = context.workload.schema
    if not key.startswith(TOGGLE):
        return schema.get(schema.validate(arm.settings), key) if schema.takes(arm.settings, key) else None
    without = context.gate.weigh(arm.settings, context.workload.toggles()[key.removeprefix(TOGGLE)])
    return without.settings != arm.settings and "recipe" not in without.violations


def _search(context: Context, study: Study) -> Search:
    gate = ConstraintGate(study, context.workload)
    storage = context.storage.stage(storage_name(study), study.space)
    sampler = Sampler(study, storage, gate, context.observer.on_end)
    current = parameters_of(study.space, context.workload, gate.baseline().settings)
    untouched = not storage.trials() and not storage.waiting()
    if current and untouched and study.space.contains(current):
        sampler.enqueue(current, BASELINE)  # an arm is never tuned to something worse than what it had
    return Search(replace(context, study=study, gate=gate), ABLATION, storage, sampler, purpose="retune")


def _best(results: Results, name: str) -> Mapping[str, Any]:
    """The searched values of the best trial of an arm's search; empty if none completed."""
    stage = results.stages.get(name)
    complete = [trial for trial in (stage.trials if stage else ()) if trial.status is Status.COMPLETE]
    ranked = Results(results.study, tuple(complete), {}, results.folder).ranked()
    return dict(ranked[0].parameters) if ranked else {}
