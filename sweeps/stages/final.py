"""The stage final: train on everything but the test set, then open the test set once for all models together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT, TEST
from sweeps.formatting import count
from sweeps.io.errors import UserError
from sweeps.runners.protocol import End, Job
from sweeps.stages.context import Context
from sweeps.stages.final_arms import final_arms, settings_without_validation
from sweeps.stages.replicates import ReplicateStage
from sweeps.storage.openings import Opening, Openings, SealedSet
from sweeps.storage.results import StageResults
from sweeps.study.stages import FINAL, OPENED
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Outcome, Status, Trial, diverged_on_test


class Opened(UserError):
    """The test set was opened for this study before, and something new needs it again."""


class Final(ReplicateStage):
    """The scheduler of the stage.

    Models are trained first, without access to the test set, and wait. When all have been trained, the opening is
    recorded, and only then do jobs evaluate the saved models on the test set. A model whose evaluation failed is kept,
    and the next start evaluates it again; an opening that gave no figure at all does not count.

    Args:
        context: The parts of the running study.
        environment: The provenance, which identifies the study and its test set.
        again: Allow the same study to open its test set a second time.
    """

    def __init__(self, context: Context, environment: Mapping[str, Any], again: bool) -> None:
        section = context.study.final
        assert section is not None
        self._seeds = section.seeds
        self._environment = environment
        self._sealed_set = SealedSet.of(environment)
        self._openings = Openings(context.storage.folder.parent)
        self._trained: list[Job] = []  # models that wait for the test set to be opened
        self._evaluating: set[int] = set()
        self._opening: Opening | None = None  # the opening of this start
        self._measured = False  # whether it may have given a figure
        self._tails: dict[int, float] = {}  # device seconds after a model's last recorded epoch
        arms, storage = final_arms(context), context.storage.stage(FINAL.name)
        self._require_consent(context, arms, storage.results(), again)
        self._substitutes = {arm.recipe: settings_without_validation(context, arm) for arm in arms}
        super().__init__(context, FINAL, storage, arms)
        self._set_trained_aside()
        context.observer.on_stage(FINAL.name, self.total())

    def replicates_needed(self) -> Mapping[str, int]:
        """Return the same number of replicates for every arm."""
        return {arm.name: self._seeds for arm in self._active}

    def pending(self) -> bool:
        """Whether a model is left to train or to evaluate."""
        return bool(self._trained) or super().pending()

    def on_end(self, job: Job, end: End) -> None:
        """Record that a model has been trained, and now waits for the others, or that it has been evaluated."""
        failed = end.outcome.status is not Status.COMPLETE
        if job.evaluate is not None or failed or end.metrics:
            self._context.budget.spend(self._storage.stage, job.number, end.seconds)
            self._measured = self._measured or bool(end.metrics)
            self._conclude(job.number, end)
            return
        rows = self._storage.rows(job.number)
        reason = ""
        if not rows:
            reason = "the workload ended without yielding any metric"
        elif CheckpointFolder(job.folder / CHECKPOINT).newest() is None:
            reason = "the workload left no checkpoint, so there is no model to evaluate"
        if reason:
            super().on_end(job, replace(end, outcome=Outcome(Status.FAILED, reason)))
            return
        self._tails[job.number] = end.seconds
        self._storage.annotate(job.number, trained=len(rows))
        self._context.budget.spend(self._storage.stage, job.number, end.seconds)
        self._trained.append(self._running.pop(job.number))

    def _affordable(self) -> bool:
        """Whether the budget admits another run; a model that has been trained is evaluated in any case."""
        all_trained = not self._unfinished and next(self._missing(), None) is None
        return bool(self._trained and all_trained) or super()._affordable()

    def _next(self) -> Job | None:
        job = super()._next()
        if job is not None or self._running.keys() - self._evaluating or not self._trained:
            return job
        if not self._evaluating:
            self._open()
        job = self._trained.pop(0)
        self._evaluating.add(job.number)
        return replace(job, label=f"{job.label}, evaluated")

    def _ended(self, job: Job, trial: Trial) -> None:
        super()._ended(job, trial)
        if trial.number not in self._evaluating:
            return
        self._evaluating.discard(trial.number)
        if self._opening is not None and not (self._measured or self._evaluating or self._trained):
            self._openings.mark_void(self._opening, trial.reason)

    def _keeps_checkpoint(self, number: int) -> bool:
        return number in self._evaluating

    def _set_trained_aside(self) -> None:
        """Set aside the models that an earlier start has trained; one with a damaged checkpoint is trained again."""
        for (_, replicate), trial in list(self._lost.items()):
            if self._has_model(trial.number):
                arm = next(arm for arm in self._active if arm.recipe == trial.recipe)
                self._unfinished.append((self._add(arm, replicate), arm, replicate))
        for unfinished in list(self._unfinished):
            number, arm, replicate = unfinished
            self._take_model_over(number, arm, replicate)
            if self._has_model(number):
                self._unfinished.remove(unfinished)
                self._trained.append(self._replicate(*unfinished))

    def _has_model(self, number: int) -> bool:
        newest = CheckpointFolder(self._storage.trial_folder(number) / CHECKPOINT).newest()
        return bool(self._storage.noted(number, "trained")) and newest is not None

    def _take_model_over(self, number: int, arm: Arm, replicate: int) -> None:
        """Give a run that is to be evaluated again the model of the attempt whose evaluation failed."""
        if self._storage.noted(number, "trained"):
            return
        attempts = [
            trial.number
            for trial in self._storage.trials()
            if (trial.recipe, trial.replicate) == (arm.recipe, replicate) and trial.status.lost
        ]
        source = next((attempt for attempt in attempts if self._has_model(attempt)), None)
        if source is not None:
            self._storage.take_over(number, source)
            self._storage.annotate(number, trained=self._storage.noted(source, "trained"))

    def _settings(self, arm: Arm) -> Mapping[str, Any]:
        schema = self._context.workload.schema
        settings = schema.merge(arm.settings, self._substitutes[arm.recipe])
        return schema.dump(schema.validate(settings))

    def _entries(self) -> Sequence[object]:
        return (TEST, *self._study.evaluate)

    def _placed(self, job: Job) -> Job:
        placed = replace(super()._placed(job), final=True)
        if job.number not in self._evaluating:
            return placed
        return replace(placed, access=OPENED, evaluate=tuple(self._study.evaluate))

    def _open(self) -> None:
        """Record the opening, unless it is recorded: by this start, or by one that was killed in the middle of it."""
        runs = tuple(job.number for job in self._trained)
        if self._opening is not None and set(runs) <= set(self._opening.runs):
            return
        by_this, others = self._recorded_openings()
        if by_this and set(runs) <= set(by_this[-1].runs):
            self._opening, self._measured = by_this[-1], True  # it may have given figures before the kill
            return
        if others:
            times, last = count(len(others), "time"), others[-1]
            note = f"this test set was opened {times} before, last by {last.study} at {last.at}"
            self._context.observer.on_note(note)
        for part in self._openings.of_parts(self._sealed_set):
            number = "an unknown number" if part.shared is None else f"{part.shared:,}"
            note = f"{number} of its {part.size:,} test images were opened before, by {part.study} at {part.at}"
            self._context.observer.on_note(note)
        self._opening = self._openings.record(self._context.storage.folder.name, self._environment, runs)
        self._measured = False

    def _recorded_openings(self) -> tuple[list[Opening], list[Opening]]:
        """The openings of this test set by this study, and those by other studies."""
        study_id, openings = self._environment.get("id"), self._openings.of(self._sealed_set)
        by_this = [opening for opening in openings if opening.id == study_id]
        return by_this, [opening for opening in openings if opening.id != study_id]

    def _remember(self) -> None:
        """Store what the report says about the openings and the labelled sets."""
        by_this, others = self._recorded_openings()
        facts: dict[str, Any] = {
            "sets": self._labels(self._context, self._active[0]),
            "openings": [opening.plain() for opening in by_this],
            "earlier_openings": len(others),
        }
        if parts := self._openings.of_parts(self._sealed_set):
            facts["openings_of_parts"] = [asdict(part) for part in parts]
        substitutes = {arm.name: self._substitutes[arm.recipe] for arm in self._active if self._substitutes[arm.recipe]}
        self._storage.set_facts({**facts, **({"unheld": substitutes} if substitutes else {})})

    @staticmethod
    def _labels(context: Context, arm: Arm) -> list[str]:
        """The names of the labelled sets that are measured, the test set first."""
        recipe, entries = context.workload.schema.validate(arm.settings), context.study.evaluate
        return [TEST, *(label for entry in entries for label in context.workload.evaluations(recipe, entry))]

    def _conclude(self, number: int, end: End) -> None:
        """End a trial that has been evaluated, or whose training failed."""
        name = self._study.metric.name.removeprefix("val_")
        outcome, value = end.outcome, None
        if end.metrics:
            self._remember()
        if outcome.status is Status.COMPLETE:
            test_metrics = end.metrics.get(TEST, {})
            value = test_metrics.get(name)
            if value is not None and not math.isfinite(value):
                outcome, value = diverged_on_test(name, value), None
                self._count_as_chance(number)
            elif value is None:
                names = ", ".join(test_metrics) or "nothing"
                outcome = Outcome(Status.FAILED, f"evaluate gave no {name!r} for the test set; it gave: {names}")
            else:
                self._storage.annotate(number, trained=len(self._storage.rows(number)))
                self._storage.annotate(number, metrics={label: dict(values) for label, values in end.metrics.items()})
        self._finish(number, outcome, value, end.seconds + self._tails.pop(number, 0.0))

    def _count_as_chance(self, number: int) -> None:
        recipe = self._context.workload.schema.validate(self._running[number].settings)
        chance = self._context.workload.chance(recipe).get(self._study.metric.name)
        if chance is not None:
            self._storage.record_chance(number, chance)

    def _require_consent(self, context: Context, arms: Sequence[Arm], results: StageResults, again: bool) -> None:
        """Raise Opened where this start would open the test set a second time without `--open-again`."""
        by_this, _ = self._recorded_openings()
        if not by_this:
            return
        last = by_this[-1]
        opened = f"{last.study}: its test set was opened at {last.at} by `{last.command}`"
        labels = self._labels(context, arms[0])
        evaluated = (run for arm in arms for run in results.replicates(arm).values() if run.metrics)
        if any(set(labels) - set(run.metrics) for run in evaluated):
            raise Opened(
                f"{opened}; the sets under evaluate are measured at the opening and have changed since then; "
                f"undo the change, or start over with --fresh (fresh=True)"
            )
        runs = {(arm.recipe, replicate) for arm in arms for replicate in range(self._seeds)}
        new = runs - {(arm.recipe, replicate) for arm in arms for replicate in results.replicates(arm)}
        if new and not again:
            raise Opened(
                f"{opened}; {count(len(new), 'further run')} would open it again; "
                f"use --open-again (open_again=True) to allow it"
            )
