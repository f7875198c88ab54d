"""The course of a study: its stages one after another, as one scheduler, so that workers stay warm between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sweeps.ablation import Ablation, design_of, facts_of
from sweeps.confirm import Confirm, NoCandidate
from sweeps.designs import Design
from sweeps.errors import UserError
from sweeps.final import Final
from sweeps.incumbent import NotYet, parameters_of
from sweeps.leg import Context
from sweeps.race import Race
from sweeps.results import SEARCH as TRIALS_OF_SEARCH
from sweeps.retune import Retuning, tuned_arms
from sweeps.runners.base import Decision, End, Epoch, Job
from sweeps.sampler import Sampler
from sweeps.search import Search
from sweeps.stages import ABLATION, CONFIRM, FINAL, SEARCH, Stage


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


@dataclass(frozen=True)
class Wish:
    """What of a study is to be run: its stages, and whether its test set may be opened a second time."""

    stages: Sequence[Stage]
    open_again: bool = False


class Course:
    """The scheduler of a whole study. The next stage is set up when the one before it has ended."""

    def __init__(self, context: Context, wish: Wish, environment: Mapping[str, Any]) -> None:
        self.failure = ""  # why the study cannot go on, if so
        self.refusal: UserError | None = None  # the same, where a stage could not begin
        self.exhausted = ""  # the stage at which the whole budget was spent
        self.cut: list[str] = []  # stages that ended at their share of the budget
        self._observer = context.observer
        self._context = context
        self._parts = parts(context, wish, environment)
        self._part: Part | None = next(self._parts, None)
        self._interrupted = False

    @property
    def stopping(self) -> bool:
        """Whether running jobs are to be left as they are: they go on at the next start."""
        return self._interrupted or bool(self.failure)

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        self._advance()
        return self._part is None and not self.failure

    def interrupt(self, why: str) -> None:
        """Ask for an early end; called from a signal's handler."""
        self._interrupted = True
        self._observer.on_interrupt(why)

    def suggest(self) -> Job | None:
        """A job of the stage at hand; None when there is none until a running one ends, or at all."""
        while not self.stopping:
            self._advance()
            if self._part is None:
                return None
            job = self._part.suggest()
            self.failure = self.failure or self._part.failure
            if job is not None or not self._part.done:
                return job
        return None

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""
        assert self._part is not None
        decision = self._part.on_epoch(job, epoch)
        self.failure = self.failure or self._part.failure
        return decision

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended."""
        assert self._part is not None
        self._part.on_end(job, end)
        self.failure = self.failure or self._part.failure

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


def parts(context: Context, wish: Wish, environment: Mapping[str, Any]) -> Iterator[Part]:
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
    first = ledger.next_number() == 0 and study.method != "grid"
    if first and own and study.space.contains(own):
        sampler.enqueue(own)
    return Search(context, SEARCH, ledger, sampler, purpose=TRIALS_OF_SEARCH)


def _ablation(context: Context) -> Iterator[Part]:
    rule = context.study.ablation
    assert rule is not None
    if rule.design == "path":
        race = Race(context)
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
