"""The stage final: train on all but the test set, then open that once for all the trained models together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import TEST
from sweeps.formatting import count
from sweeps.io.errors import UserError
from sweeps.runners.protocol import End, Job
from sweeps.stages.base import Task
from sweeps.stages.context import Context
from sweeps.stages.incumbent import INCUMBENT, NotYet, incumbent
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.openings import Opening, Openings, fingerprint
from sweeps.storage.results import Results, StageResults
from sweeps.study.stages import ABLATION, CONFIRM, FINAL, OPENED
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.trial import Outcome, Status


class Opened(UserError):
    """The test set was opened for this study before, and something new asks for it."""


class Final(ReplicateStage):
    """The scheduler of the stage. `again` allows a further opening of the test set by the same study."""

    def __init__(self, context: Context, environment: Mapping[str, Any], again: bool) -> None:
        rule = context.study.final
        assert rule is not None
        self._seeds = rule.seeds
        self._environment = environment
        self._openings = Openings(context.store.folder.parent)
        self._trained: list[Task] = []  # models that wait for the test set to be opened
        self._evaluating: set[int] = set()
        self._tails: dict[int, float] = {}  # device seconds after a model's last recorded epoch
        arms, ledger = final_arms(context), context.store.ledger(FINAL.name)
        self._require_consent(context, arms, ledger.results(), again)
        self._unheld = {arm.recipe: unheld(context, arm) for arm in arms}
        super().__init__(context, FINAL, ledger, arms)
        context.observer.on_stage(FINAL.name, self.total())

    def wanted(self) -> Mapping[str, int]:
        """The same number of replicates for every arm."""
        return {arm.name: self._seeds for arm in self._active}

    def pending(self) -> bool:
        """Whether a model is left to train or to evaluate."""
        return bool(self._trained) or super().pending()

    def on_end(self, job: Job, end: End) -> None:
        """A model has been trained, and waits for the others; or it has been evaluated."""
        failed = end.outcome.status is not Status.COMPLETE
        if job.evaluate is not None or failed or end.metrics:
            self._context.allowance.spend(self._ledger.stage, job.number, end.seconds)
            self._evaluating.discard(job.number)
            self._conclude(job.number, end)
            return
        rows = self._ledger.rows(job.number)
        if not rows:
            reason = "the workload ended without yielding any metric"
            super().on_end(job, replace(end, outcome=Outcome(Status.FAILED, reason)))
            return
        if CheckpointFolder(job.folder / "checkpoint").newest() is None:
            reason = "the workload left no checkpoint, so there is no model to evaluate"
            super().on_end(job, replace(end, outcome=Outcome(Status.FAILED, reason)))
            return
        self._tails[job.number] = end.seconds
        self._ledger.annotate(job.number, trained=len(rows))
        self._context.allowance.spend(self._ledger.stage, job.number, end.seconds)
        self._trained.append(self._running.pop(job.number))

    def _affordable(self) -> bool:
        """A model that has been trained is evaluated in any case."""
        return bool(self._trained and not next(self._missing(), None)) or super()._affordable()

    def _next(self) -> Task | None:
        self._skip_trained()
        task = super()._next()
        if task is not None or self._running.keys() - self._evaluating or not self._trained:
            return task
        if not self._evaluating:
            self._open()
        task = self._trained.pop(0)
        self._evaluating.add(task.number)
        return replace(task, label=f"{task.label}, evaluated")

    def _skip_trained(self) -> None:
        """Models that a dead driver left trained wait for the opening as they are; damaged ones are trained on."""
        for left in list(self._left_behind):
            checkpoints = CheckpointFolder(self._ledger.trial_folder(left[0]) / "checkpoint")
            if self._ledger.noted(left[0], "trained") and checkpoints.newest() is not None:
                self._left_behind.remove(left)
                self._trained.append(self._task(*left))

    def _settings(self, arm: Arm) -> Mapping[str, Any]:
        schema = self._context.workload.schema
        settings = schema.merge(arm.settings, self._unheld[arm.recipe])
        return schema.dump(schema.validate(settings))

    def _entries(self) -> Sequence[object]:
        return (TEST, *self._study.evaluate)

    def _job(self, task: Task) -> Job:
        job = replace(super()._job(task), final=True)
        if task.number not in self._evaluating:
            return job
        return replace(job, access=OPENED, evaluate=tuple(self._study.evaluate))

    def _open(self) -> None:
        """Record the opening, unless a driver was killed in the middle of this very one."""
        runs = tuple(task.number for task in self._trained)
        own, others = self._known()
        if own and set(runs) <= set(own[-1].runs):
            return
        if others:
            times, last = count(len(others), "time"), others[-1]
            note = f"this test set was opened {times} before, last by {last.study} at {last.at}"
            self._context.observer.on_note(note)
        self._openings.record(self._context.store.folder.name, self._environment, runs)

    def _known(self) -> tuple[list[Opening], list[Opening]]:
        """The openings of this test set by this study, and those by others."""
        name, known = self._environment.get("id"), self._openings.of(fingerprint(self._environment))
        return [each for each in known if each.id == name], [each for each in known if each.id != name]

    def _remember(self) -> None:
        """What the report says of the openings and the sets."""
        own, others = self._known()
        plain, labels = [opening.plain() for opening in own], self._labels(self._context, self._active[0])
        facts = {"sets": labels, "openings": plain, "earlier_openings": len(others)}
        unheld = {arm.name: self._unheld[arm.recipe] for arm in self._active if self._unheld[arm.recipe]}
        self._ledger.set_facts({**facts, **({"unheld": unheld} if unheld else {})})

    @staticmethod
    def _labels(context: Context, arm: Arm) -> list[str]:
        """The names of the sets, the test set first."""
        recipe, entries = context.workload.schema.validate(arm.settings), context.study.evaluate
        return [TEST, *(label for entry in entries for label in context.workload.evaluations(recipe, entry))]

    def _conclude(self, number: int, end: End) -> None:
        name = self._study.metric.name.removeprefix("val_")
        outcome, value = end.outcome, None
        if outcome.status is Status.COMPLETE:
            measured = end.metrics.get(TEST, {})
            value = measured.get(name)
            if value is not None and not math.isfinite(value):
                outcome, value = Outcome(Status.DIVERGED, f"{name} was {value} on the test set"), None
                self._count_as_chance(number)
            elif value is None:
                known = ", ".join(measured) or "nothing"
                outcome = Outcome(Status.FAILED, f"evaluate gave no {name!r} for the test set; it gave: {known}")
            else:
                self._remember()
                self._ledger.annotate(number, trained=len(self._ledger.rows(number)))
                self._ledger.annotate(number, metrics={label: dict(found) for label, found in end.metrics.items()})
        self._finish(number, outcome, value, end.seconds + self._tails.pop(number, 0.0))

    def _count_as_chance(self, number: int) -> None:
        recipe = self._context.workload.schema.validate(self._running[number].settings)
        guessed = self._context.workload.chance(recipe).get(self._study.metric.name)
        if guessed is not None:
            self._ledger.record_chance(number, guessed)

    def _require_consent(self, context: Context, arms: Sequence[Arm], known: StageResults, again: bool) -> None:
        """A second opening by the same study is never a matter of course. Raises Opened."""
        own, _ = self._known()
        if not own:
            return
        opened = f"{own[-1].study}: its test set was opened at {own[-1].at} by `{own[-1].command}`"
        labels = self._labels(context, arms[0])
        measured = (run for arm in arms for run in known.replicates(arm).values() if run.metrics)
        if any(set(labels) - set(run.metrics) for run in measured):
            raise Opened(
                f"{opened}; the sets of evaluate are measured when it is opened, and have been changed since: "
                f"undo that, or begin anew with --fresh"
            )
        runs = {(arm.recipe, replicate) for arm in arms for replicate in range(self._seeds)}
        new = runs - {(arm.recipe, replicate) for arm in arms for replicate in known.replicates(arm)}
        if new and not again:
            raise Opened(
                f"{opened}; {count(len(new), 'further run')} would open it again; if that is meant, say --open-again"
            )


def final_arms(context: Context) -> list[Arm]:
    """The incumbent and, with `arms: all`, every applicable arm of the ablation; each recipe once."""
    study, results = context.study, context.store.results()
    assert study.final is not None
    best = incumbent(results, context.gate).arm
    name = BASELINE if best.name == BASELINE else INCUMBENT
    if study.final.arms == "best":
        return [Arm(name, best.settings, cost=best.cost)]
    arms = _ablated(results)
    if not _ablation_ended(results):
        raise NotYet(f"{results.name}: final.arms is all, but the ablation has not ended; run it first")
    known = any(arm.recipe == best.recipe for arm in arms)
    return arms if known else [Arm(name, best.settings, cost=best.cost), *arms]


def unheld(context: Context, arm: Arm) -> dict[str, Any]:
    """The settings by dotted key that take the place of what an arm's final runs cannot do: hold out to stop early by.

    The workload finds them from the epochs that the recipe's replicates trained for or, without any, its search trial.
    """
    results = context.store.results()
    stages = (results.stages.get(name) for name in (CONFIRM.name, ABLATION.name))
    runs = [run for stage in stages if stage is not None for run in stage.replicates(arm).values()]
    if not any(run.status is Status.COMPLETE for run in runs):
        runs = [trial for trial in results.trials if trial.status is Status.COMPLETE]
        runs = [trial for trial in runs if context.gate.assess(trial.parameters).settings == arm.settings]
    epochs = [run.epochs for run in runs if run.status is Status.COMPLETE]
    return context.workload.without_validation(context.workload.schema.validate(arm.settings), epochs)


def _ablation_ended(results: Results) -> bool:
    stage = results.stages.get(ABLATION.name)
    wanted = stage.facts.get("wanted", {}) if stage else {}
    if stage is None or not wanted:
        return False
    runs = {arm.name: stage.replicates(arm) for arm in stage.arms if arm.applicable}
    return all(
        number in found and found[number].status is not Status.RUNNING
        for name, found in runs.items()
        for number in range(wanted.get(name, 0))
    )


def _ablated(results: Results) -> list[Arm]:
    stage = results.stages.get(ABLATION.name)
    found: list[Arm] = []
    for arm in stage.arms if stage else ():
        if arm.applicable and all(arm.recipe != other.recipe for other in found):
            found.append(arm)
    names = {arm.name for arm in found}
    return [arm if arm.reference in names else replace(arm, reference="") for arm in found]
