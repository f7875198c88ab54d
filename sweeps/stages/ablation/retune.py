"""Re-tuned ablation: a small search for each arm, so that none is blamed for a setting chosen for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.recipe.keys import nested_in
from sweeps.runners.protocol import Decision, End, Epoch, Job
from sweeps.samplers.feasibility import ConstraintGate
from sweeps.samplers.sampler import Sampler
from sweeps.space.space import TOGGLE
from sweeps.stages.context import Context
from sweeps.stages.incumbent import parameters_of
from sweeps.stages.search import Search
from sweeps.storage.results import Results
from sweeps.storage.study_storage import RETUNE
from sweeps.study.document import from_text
from sweeps.study.parameters import Parameter
from sweeps.study.stages import ABLATION
from sweeps.study.study import Study, dump, parse
from sweeps.trial.arm import Arm, digest
from sweeps.trial.trial import Status

SUFFIX = " (re-tuned)"


class Retuning:
    """The searches of all arms side by side: one scheduler, so that no device waits for the last trial of an arm."""

    stage = ABLATION

    def __init__(self, context: Context, arms: Sequence[Arm]) -> None:
        self._searches: dict[str, Search] = {}
        for arm in arms:
            study = tuning_study(context, arm)
            if arm.applicable and study is not None and ledger_name(study) not in self._searches:
                self._searches[ledger_name(study)] = _search(context, study)

    @property
    def failure(self) -> str:
        """Why the stage cannot go on: a search that failed leaves its arm as it is, so never."""
        return ""

    @property
    def cut(self) -> bool:
        """Whether the budget keeps a search from going on."""
        return any(search.cut for search in self._searches.values())

    @property
    def done(self) -> bool:
        """Whether every search has come to its end."""
        return all(search.done for search in self._searches.values())

    def suggest(self) -> Job | None:
        """A job of the first search that has one."""
        return next((job for search in self._searches.values() if (job := search.suggest()) is not None), None)

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""
        return self._searches[job.stage].on_epoch(job, epoch)

    def on_end(self, job: Job, end: End) -> None:
        """Record how a trial ended by itself."""
        self._searches[job.stage].on_end(job, end)

    def on_left(self, job: Job) -> None:
        """A job has left before its end."""
        self._searches[job.stage].on_left(job)

    def on_death(self, job: Job) -> Decision:
        """Count that the process of a trial died."""
        return self._searches[job.stage].on_death(job)


def tuned_arms(context: Context, arms: Sequence[Arm]) -> tuple[list[Arm], dict[str, dict[str, Any]]]:
    """Each arm again at the best settings of its own search, and those settings by the new arm's name."""
    results = context.store.results()
    found: list[Arm] = []
    chosen: dict[str, dict[str, Any]] = {}
    for arm in arms:
        name = f"{arm.name}{SUFFIX}"
        reference = f"{arm.reference}{SUFFIX}" if arm.reference else ""
        if not arm.applicable:
            found.append(replace(arm, name=name, reference=reference, tuned=True))
            continue
        study = tuning_study(context, arm)
        best = _best(results, ledger_name(study)) if study is not None else {}
        weighed = context.gate.weigh(arm.settings, best)
        chosen[name] = dict(best)
        found.append(
            replace(arm, name=name, reference=reference, tuned=True, settings=weighed.settings, cost=weighed.cost)
        )
    return found, chosen


def ledger_name(study: Study) -> str:
    """The stage under which the trials of an arm's search are kept: that of its recipe and its space."""
    space = {key: parameter.model_dump(mode="json") for key, parameter in study.parameters.items()}
    return f"{RETUNE}{digest({'recipe': study.baseline, 'space': space})}"


def tuning_study(context: Context, arm: Arm) -> Study | None:
    """The study that tunes `arm`: its recipe as the baseline, some of the parameters as the space.

    Settings that the ablation of the arm itself has set are not touched, nor those that its model does not have. None
    where nothing is left to tune.
    """
    study = context.study
    assert study.ablation is not None
    rule = study.ablation.retune
    assert rule is not None
    kept: dict[str, Parameter] = {}
    for key in rule.parameters:
        conditions = study.parameters[key].when
        holds = all(_has(context, arm, parent) in values for parent, values in conditions.items())
        known = key.startswith(TOGGLE) or context.workload.schema.takes(arm.settings, key)
        if holds and known and not any(nested_in(key, edit) or nested_in(edit, key) for edit in arm.edits):
            kept[key] = study.parameters[key].model_copy(update={"when": {}})
    if not kept:
        return None
    changes: dict[str, Any] = {
        "baseline": dict(arm.settings),
        "parameters": kept,
        "toggles": (),
        "method": "bayes",
        "run_cap": rule.trials,
        "early_terminate": None,
        "confirm": None,
        "ablation": None,
        "final": None,
        "evaluate": (),
        "budget": type(study.budget)(),
    }
    return parse(from_text(dump(study.model_copy(update=changes)), f"{study.name} (re-tuning)"))


def _has(context: Context, arm: Arm, key: str) -> Any:
    """The value that an arm has of a searched setting, None where it has no such one; of a toggle, whether it is on."""
    schema = context.workload.schema
    if not key.startswith(TOGGLE):
        return schema.get(schema.validate(arm.settings), key) if schema.takes(arm.settings, key) else None
    without = context.gate.weigh(arm.settings, context.workload.toggles()[key.removeprefix(TOGGLE)])
    return without.settings != arm.settings and "recipe" not in without.violations


def _search(context: Context, study: Study) -> Search:
    gate = ConstraintGate(study, context.workload, {})
    ledger = context.store.ledger(ledger_name(study), study.space)
    sampler = Sampler(study, ledger, gate, context.observer.on_end)
    own = parameters_of(study.space, context.workload, gate.baseline().settings)
    if own and ledger.next_number() == 0 and study.space.contains(own):
        sampler.enqueue(own)
    return Search(replace(context, study=study, gate=gate), ABLATION, ledger, sampler, purpose="retune")


def _best(results: Results, ledger: str) -> Mapping[str, Any]:
    """The searched values of the best trial of an arm's search; nothing where none completed."""
    stage = results.stages.get(ledger)
    complete = [trial for trial in (stage.trials if stage else ()) if trial.status is Status.COMPLETE]
    ranked = Results(results.study, tuple(complete), {}, results.folder).ranked()
    return dict(ranked[0].parameters) if ranked else {}
