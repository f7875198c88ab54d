"""The course of a study: its stages one after another, as one scheduler, so that workers stay warm between them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sweeps.artifacts.layout import SEARCH as TRIALS_OF_SEARCH
from sweeps.designs import Design
from sweeps.io.disk import Unwritable, explained
from sweeps.io.errors import UserError
from sweeps.pruners.factory import stopping_rule
from sweeps.pruners.one_epoch import OneEpoch
from sweeps.runners.protocol import Decision, End, Epoch, Job, Note, Preemption
from sweeps.samplers.sampler import Sampler
from sweeps.stages.ablation.path_race import PathRace
from sweeps.stages.ablation.retune import Retuning, tuned_arms
from sweeps.stages.ablation.stage import Ablation, design_of, facts_of
from sweeps.stages.confirm import Confirm, NoCandidate
from sweeps.stages.context import Context
from sweeps.stages.final import Final
from sweeps.stages.incumbent import NotYet, parameters_of
from sweeps.stages.one_epoch_search import OneEpochSearch
from sweeps.stages.search import Search
from sweeps.study.stages import ABLATION, CONFIRM, FINAL, SEARCH, Stage
from sweeps.trial.trial import Status


class Part(Protocol):
    """What the course is made of: a leg, or several side by side."""

    stage: Stage

    @property
    def failure(self) -> str:
        """Why it gave up, if it did."""

    @property
    def cut(self) -> bool:
        """Whether the budget keeps it from going on."""

    @property
    def done(self) -> bool:
        """Whether nothing of it runs, and nothing is left to run or may run."""

    def suggest(self) -> Job | None:
        """A job to start now."""

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended."""

    def on_left(self, job: Job) -> None:
        """A job has left before its end."""

    def on_death(self, job: Job) -> Decision:
        """Count that the process of a job died; STOP where it is given up."""


@dataclass(frozen=True)
class RunRequest:
    """What of a study is to be run: its stages, and whether its test set may be opened a second time."""

    stages: Sequence[Stage]
    open_again: bool = False


class StudyScheduler:
    """The scheduler of a whole study. The next stage is set up when the one before it has ended."""

    def __init__(self, context: Context, wish: RunRequest, environment: Mapping[str, Any]) -> None:
        self.failure = ""  # why the study cannot go on, if so
        self.refusal: UserError | None = None  # the same, where a stage could not begin
        self.exhausted = ""  # the stage at which the whole budget was spent
        self.cut: list[str] = []  # stages that ended at their share of the budget
        self._observer = context.observer
        self._context = context
        self._parts = parts(context, wish, environment)
        self._part: Part | None = next(self._parts, None)
        self._live: dict[tuple[str, int], Job] = {}
        self._lonely: deque[Job] = deque()  # out of memory beside others: to be run once more, alone
        self._alone: Job | None = None
        self._until: float | None = None  # when the grace of an interrupted study is over

    @property
    def stopping(self) -> bool:
        """Whether running jobs are to be left as they are: they go on at the next start."""
        left = self._until is not None and (not self._live or time.monotonic() >= self._until)
        return left or bool(self.failure)

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        self._advance()
        return self._part is None and not self.failure

    def interrupt(self, why: str, grace_s: float) -> None:
        """Ask for an early end; called from a signal's handler.

        No job is handed out any more, and those that run have `grace_s` seconds to leave at an epoch's end.
        """
        self._until = time.monotonic() + grace_s
        with suppress(OSError):  # on a full disk jobs are left where they are
            self._context.store.stop_file.touch()
        running = len(self._live)
        rest = f"; what runs has {grace_s:g} s to reach an epoch's end ({running})" if running else ""
        self._observer.on_interrupt(f"{why}: no run is started any more{rest}")

    def suggest(self) -> Job | None:
        """A job of the stage at hand; None when there is none until a running one ends, or at all."""
        with self._kept():
            job = self._suggested()
            if job is not None:
                self._live[job.stage, job.number] = job
            return job
        return None

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""
        with self._kept():
            if self._part is not None and self._is_live(job):
                decision = self._part.on_epoch(job, epoch)
                self.failure = self.failure or self._part.failure
                if decision is Decision.STOP:
                    self._forget(job)
                return decision
        return Decision.STOP

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended; one that was out of memory beside others is run once more, alone."""
        with self._kept():
            if self._part is None or not self._is_live(job):
                return
            shared, self._alone = self._shares(job), None if self._alone == job else self._alone
            self._forget(job)
            if end.outcome.status is Status.OUT_OF_MEMORY and shared:
                self._lonely.append(job)
                self._tell(job, f"{end.outcome.reason}: once more, with the device for itself")
                return
            self._part.on_end(job, end)
            self.failure = self.failure or self._part.failure

    def on_left(self, job: Job, left: Preemption) -> None:
        """A job has left at its checkpoint: it goes on when its stage hands it out again, or at the next start."""
        with self._kept():
            self.failure = self.failure or left.reason
            if self._part is None or not self._is_live(job):
                return
            self._alone = None if self._alone == job else self._alone
            self._forget(job)
            if not left.reason:
                self._part.on_left(job)

    def on_note(self, job: Job, note: Note) -> None:
        """Tell of a job."""
        self._tell(job, note.text)

    def on_death(self, job: Job) -> Decision:
        """Count that the process of a job died; STOP where it is given up."""
        with self._kept():
            if self._part is not None and self._is_live(job):
                decision = self._part.on_death(job)
                self.failure = self.failure or self._part.failure
                if decision is Decision.STOP or self._until is not None:
                    self._forget(job)
                    return Decision.STOP
                return decision
        return Decision.STOP

    def _suggested(self) -> Job | None:
        if self._alone is not None or (self._lonely and self._live):
            return None
        while self._until is None and not self.failure:
            if self._lonely:
                self._alone = self._lonely.popleft()
                return self._alone
            self._advance()
            if self._part is None:
                return None
            job = self._part.suggest()
            self.failure = self.failure or self._part.failure
            if job is not None or not self._part.done:
                return job
        return None

    def _shares(self, job: Job) -> bool:
        """Whether other jobs may be on the device of `job`: whether running it alone may end otherwise."""
        whole = job.device == "cuda" and self._context.study.resources.gpu_share >= 1
        return len(self._live) > 1 and not whole

    def _is_live(self, job: Job) -> bool:
        """Whether a job has not ended: one that was given up may still be heard of."""
        return (job.stage, job.number) in self._live

    def _forget(self, job: Job) -> None:
        self._live.pop((job.stage, job.number), None)

    def _tell(self, job: Job, text: str) -> None:
        self._observer.on_note(f"{job.stage} {job.number}: {text}")

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """A full or read-only disk ends the study where it stands: what was recorded goes on at the next start."""
        try:
            with explained(self._context.store.folder):
                yield
        except Unwritable as error:
            self.failure = self.failure or str(error)

    def _advance(self) -> None:
        """Go to the first part that has something left to do."""
        while self._part is not None and self._part.done and not self.failure:
            if self._part.cut:
                name = self._part.stage.name
                self.cut.append(name)
                # A search may end at its share; of the other stages every run was asked for.
                if name != SEARCH.name or self._context.allowance.is_last(name):
                    self.exhausted = self.exhausted or name
                if self._context.allowance.is_last(name):
                    self._part = None
                    return
            try:
                self._part = next(self._parts, None)
            except (NoCandidate, NotYet) as error:
                self._part = None
                if self.cut:  # what the next stage needs was not to be had within the budget
                    self.exhausted = self.cut[-1]
                else:
                    self.refusal, self.failure = error, str(error)
            except UserError as error:
                self._part, self.refusal, self.failure = None, error, str(error)


def parts(context: Context, wish: RunRequest, environment: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of the wanted stages, each set up when it is asked for. Raises UserError where one cannot begin."""
    if SEARCH in wish.stages:
        yield search(context)
    if CONFIRM in wish.stages:
        yield Confirm(context)
    if ABLATION in wish.stages:
        yield from _ablation(context)
    if FINAL in wish.stages:
        yield Final(context, environment, wish.open_again)


def search(context: Context) -> Search:
    """The stage search; the baseline is its first trial where the space contains it."""
    study, ledger = context.study, context.store.search
    sampler = Sampler(study, ledger, context.gate, context.observer.on_end)
    own = parameters_of(study.space, context.workload, context.gate.baseline().settings)
    first = all(trial.status is Status.ABANDONED for trial in ledger.trials()) and not ledger.waiting()
    first = first and study.method != "grid"
    if first and own and study.space.contains(own):
        sampler.enqueue(own)
    rule = stopping_rule(study, context.workload)
    if isinstance(rule, OneEpoch):
        return OneEpochSearch(context, SEARCH, ledger, sampler, TRIALS_OF_SEARCH, rule)
    return Search(context, SEARCH, ledger, sampler, purpose=TRIALS_OF_SEARCH)


def _ablation(context: Context) -> Iterator[Part]:
    rule = context.study.ablation
    assert rule is not None
    if rule.design == "path":
        race = PathRace(context)
        yield race
        _require_whole(race, "the race for the order of the path")
        design = race.design()
    else:
        design = design_of(context)
    if rule.retune is None:
        yield Ablation(context, design.arms, facts_of(design))
        return
    retuning = Retuning(context, design.arms)
    yield retuning
    _require_whole(retuning, "re-tuning")
    yield _with_retuned(context, design)


def _require_whole(part: Part, name: str) -> None:
    if part.cut:
        raise NotYet(f"{name} has not ended")


def _with_retuned(context: Context, design: Design) -> Ablation:
    tuned, chosen = tuned_arms(context, design.arms)
    return Ablation(context, [*design.arms, *tuned], {**facts_of(design), "tuned": chosen})
