"""Run a study's stages in sequence under one scheduler, reusing workers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sweeps.io.disk import Unwritable, explained
from sweeps.io.errors import UserError
from sweeps.runners.protocol import Decision, DeviceLoss, End, Epoch, Job, Note, Preemption, Scheduler
from sweeps.stages.ablation.retune import Retuning
from sweeps.stages.base import UnknownMetric
from sweeps.stages.confirm.candidates import NoCandidate
from sweeps.stages.context import Context
from sweeps.stages.incumbent import NotYet
from sweeps.stages.sequence import parts
from sweeps.study.stages import SEARCH, RunRequest, Stage
from sweeps.trial.trial import Status


class StudyScheduler:
    """The scheduler of a whole study. Each stage is set up when the one before it has ended.

    One scheduler for all stages keeps the workers warm: a new Ray worker takes seconds to import its libraries.

    Args:
        context: The parts of the running study.
        request: The stages to run.
        environment: The provenance of this run.

    Attributes:
        failure: Why the study cannot go on; empty while it can.
        refusal: The error, where a stage could not begin.
        mistake: The error, where the study asks for a metric that the workload does not yield.
        exhausted: The stage at which the whole budget was spent; empty while it is not.
        cut_stages: The stages that ended at their share of the budget.
        stage: The stage under way, or the one that could not begin.
        gave_up: Why searches that tune an arm again gave up; the arms keep their settings.
    """

    def __init__(self, context: Context, request: RunRequest, environment: Mapping[str, Any]) -> None:
        self.failure = ""
        self.refusal: UserError | None = None
        self.mistake: UserError | None = None
        self.exhausted = ""
        self.cut_stages: list[str] = []
        self.gave_up: list[str] = []
        self._names = [stage.name for stage in request.stages]
        self._observer = context.observer
        self._context = context
        self._parts = parts(context, request, environment)
        self._current: tuple[Stage, Scheduler] | None = next(self._parts, None)
        self.stage = self._current[0].name if self._current else ""
        self._live: dict[tuple[str, int], Job] = {}
        self._accompanied: set[tuple[str, int]] = set()  # live jobs beside which another one has run
        self._to_run_alone: deque[Job] = deque()  # ran out of memory beside others
        self._alone: Job | None = None  # has the device for itself now
        self._deadline: float | None = None  # the end of the grace, on the monotonic clock, after an interrupt

    @property
    def cut(self) -> bool:
        """Whether a stage ended at its share of the budget."""
        return bool(self.cut_stages)

    @property
    def stopping(self) -> bool:
        """Whether running jobs are abandoned where they are; they continue at the next start."""
        grace_over = self._deadline is not None and (not self._live or time.monotonic() >= self._deadline)
        return grace_over or bool(self.failure)

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        self._advance()
        return self._current is None and not self.failure

    def interrupt(self, why: str, grace_s: float) -> None:
        """Ask for an early end; called from a signal's handler.

        No new job is handed out. Running jobs have `grace_s` seconds to save their state at an epoch's end.
        """
        self._deadline = time.monotonic() + grace_s
        with suppress(OSError):  # on a full disk jobs are abandoned where they are
            self._context.storage.stop_file.touch()
        running = len(self._live)
        rest = f"; running trials ({running}) have {grace_s:g} s to finish their epoch" if running else ""
        self._observer.on_interrupt(f"{why}: no new trials{rest}")

    def suggest(self) -> Job | None:
        """Return a job of the current stage; None if there is none until a running one ends, or at all."""
        with self._ending_errors():
            job = self._next_job()
            if job is not None:
                self._live[job.stage, job.number] = job
                if len(self._live) > 1:
                    self._accompanied.update(self._live)
            return job
        return None

    def on_epoch(self, job: Job, epoch: Epoch) -> Decision:
        """Record an epoch."""
        return self._decided(job, lambda part: part.on_epoch(job, epoch))

    def on_end(self, job: Job, end: End) -> None:
        """Record how a job ended. One that ran out of memory beside others runs once more, alone."""
        with self._ending_errors():
            part = self._part_of(job)
            if part is None:
                return
            shared = self._shares_device(job)
            self._forget(job)
            if end.outcome.status is Status.OUT_OF_MEMORY and shared:
                self._to_run_alone.append(job)
                self.on_note(job, Note(f"{end.outcome.reason}: once more, with the device for itself"))
                return
            part.on_end(job, end)
            self.failure = self.failure or part.failure

    def on_device_loss(self, job: Job, loss: DeviceLoss) -> Decision:
        """Record that the process of a job has lost its device. A job that starts again is live until then."""
        return self._decided(job, lambda part: part.on_device_loss(job, loss))

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Record that a job left at its checkpoint: it continues when its stage hands it out again."""
        with self._ending_errors():
            self.failure = self.failure or preemption.reason
            part = self._part_of(job)
            if part is None:
                return
            self._forget(job)
            if not preemption.reason:
                part.on_preempted(job, preemption)

    def on_note(self, job: Job, note: Note) -> None:
        """Pass a message about a job on to the observer."""
        self._observer.on_note(f"{job.stage} {job.number}: {note.text}")

    def on_death(self, job: Job) -> Decision:
        """Record that the process of a job died. STOP where the job is given up."""
        with self._ending_errors():
            part = self._part_of(job)
            if part is not None:
                decision = part.on_death(job)
                self.failure = self.failure or part.failure
                if decision is Decision.STOP or self._deadline is not None:
                    self._forget(job)
                    return Decision.STOP
                return decision
        return Decision.STOP

    def _next_job(self) -> Job | None:
        # Nothing starts beside a job that runs alone, nor while one that must run alone waits for the others to end.
        if self._alone is not None or (self._to_run_alone and self._live):
            return None
        while self._deadline is None and not self.failure:
            if self._to_run_alone:
                self._alone = self._to_run_alone.popleft()
                return self._alone
            self._advance()
            if self._current is None:
                return None
            _, part = self._current
            job = part.suggest()
            self.failure = self.failure or part.failure
            if job is not None or not part.done:
                return job
        return None

    def _part_of(self, job: Job) -> Scheduler | None:
        """The current part, if the job is still live: one that was given up may still send events."""
        if self._current is None or (job.stage, job.number) not in self._live:
            return None
        return self._current[1]

    def _decided(self, job: Job, decide: Callable[[Scheduler], Decision]) -> Decision:
        """Return what the current part decides on a job, which it forgets where the answer is to stop."""
        with self._ending_errors():
            part = self._part_of(job)
            if part is not None:
                decision = decide(part)
                self.failure = self.failure or part.failure
                if decision is Decision.STOP:
                    self._forget(job)
                return decision
        return Decision.STOP

    def _shares_device(self, job: Job) -> bool:
        """Whether other jobs may have used the device of `job`, so that running it alone may end otherwise."""
        whole_gpu = job.device != "cpu" and self._context.study.resources.gpu_share >= 1
        # The others may have ended since: a job that ran out of memory first measures what would fit.
        return (job.stage, job.number) in self._accompanied and not whole_gpu

    def _forget(self, job: Job) -> None:
        """Note that a job has left its device, however it ended; the next one may start, if it had the device alone."""
        self._live.pop((job.stage, job.number), None)
        self._accompanied.discard((job.stage, job.number))
        if self._alone is not None and (self._alone.stage, self._alone.number) == (job.stage, job.number):
            self._alone = None

    @contextmanager
    def _ending_errors(self) -> Iterator[None]:
        """End the study at a full or read-only disk, or at a metric that there is not.

        What was recorded continues at the next start.
        """
        try:
            with explained(self._context.storage.folder):
                yield
        except Unwritable as error:
            self.failure = self.failure or str(error)
        except UnknownMetric as error:  # the trial stays unfinished
            self.mistake, self.failure = error, self.failure or str(error)

    def _advance(self) -> None:
        """Go to the first part that has something left to do."""
        while self._current is not None and self._current[1].done and not self.failure:
            stage, part = self._current
            if isinstance(part, Retuning):
                self.gave_up += part.gave_up
            if part.cut and self._ends_budget(stage.name):
                self._current = None
                return
            self.stage = self._after(stage.name)  # the one that an error below is about
            try:
                self._current = next(self._parts, None)
                self.stage = self._current[0].name if self._current else ""
            except (NoCandidate, NotYet) as error:
                self._current = None
                if self.cut_stages:  # the budget ended before what the next stage needs
                    self.exhausted = self.cut_stages[-1]
                else:
                    self.refusal, self.failure = error, str(error)
            except UserError as error:
                self._current, self.refusal, self.failure = None, error, str(error)

    def _after(self, stage: str) -> str:
        """The requested stage after `stage`; empty after the last."""
        return next(iter(self._names[self._names.index(stage) + 1 :]), "")

    def _ends_budget(self, stage: str) -> bool:
        """Note that a stage ended at its share of the budget; whether no later stage would have anything left."""
        self.cut_stages.append(stage)
        last = self._context.budget.is_last(stage)
        # A search may end at its share. Of the other stages every run was asked for.
        if stage != SEARCH.name or last:
            self.exhausted = self.exhausted or stage
        return last
