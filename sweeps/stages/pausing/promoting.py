"""A search whose trials pause at every rung, and go on once they have earned it.

A free worker continues the best paused trial that `Promotion` finds due, else it starts a new one. When no new one will
come, the trials closest to the end go on until as many have trained to their end as the study needs; the others end.

Each time that a trial is handed out, the decision is recorded with its inputs before anything trains. A running trial
that has been trained as far as its last decision says waits; any other is trained that far first. So a restarted search
goes on as an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sweeps.artifacts.layout import CHECKPOINT
from sweeps.pruners.base import Curve
from sweeps.pruners.factory import epochs_of
from sweeps.pruners.promotion import Due, Promotion
from sweeps.pruners.reserve import Standing, to_the_end
from sweeps.runners.protocol import Job, Preemption
from sweeps.samplers.sampler import Sampler
from sweeps.stages.context import Context
from sweeps.stages.pausing.load_price import LoadPrice
from sweeps.stages.pausing.search import PausingSearch
from sweeps.storage.results import STOPS
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.stages import Stage
from sweeps.trial.trial import Status, Trial
from sweeps.trial.work import BaselineWork

NO_CHECKPOINTS = "the workload saves no checkpoints: trials stop instead of pausing"


class PromotingSearch(PausingSearch):
    """The scheduler of a search with `early_terminate: {mode: promote}`.

    Attributes:
        saves_nothing: Whether a trial has come to its rung without a checkpoint. Then this scheduler ends, and the same
            search goes on as one whose trials stop.
    """

    def __init__(
        self, context: Context, stage: Stage, storage: StageStorage, sampler: Sampler, purpose: str, rule: Promotion
    ) -> None:
        super().__init__(context, stage, storage, sampler, purpose)
        self.saves_nothing = False
        self._rule = rule
        self._wanted = max(1, context.study.confirm.top if context.study.confirm is not None else 1)
        self._unit = BaselineWork.of(context.gate.baseline().cost, epochs_of(context.study, context.workload) or 1)
        self._chosen: dict[int, dict[str, Any]] = {}  # decisions that are recorded when their trials start
        self._broken: dict[int, Curve] = {}  # what trials measured that diverged or ran out of memory
        self._lost: set[int] = set()  # trials that take no place at a rung: a machine lost them, or they were given up
        self._without_checkpoint: set[int] = set()
        self._price = LoadPrice()
        self._made = self._complete = 0
        sampler.decide = self._decided_new
        for trial in storage.trials():
            self._made = max([self._made, *(1 + int(decision["order"]) for decision in trial.decisions)])
            self._take_in(trial)
        sampler.decide = self._decided_new
        self._readopt_paused()
        for number in self._paused:  # which a killed driver may not have come to
            storage.pause(number)
        self._delete_checkpoints()

    def pending(self) -> bool:
        """Whether a run could be started now, or once the running ones have left."""
        return not self.saves_nothing and super().pending()

    def on_preempted(self, job: Job, preemption: Preemption) -> None:
        """Pause a run that has reached its rung, or note that it has saved nothing to go on from."""
        reached = job.number in self._running and self._at_pause(job.number)
        if reached and not (job.folder / CHECKPOINT).exists():
            self._stop_instead(job.number)
        else:
            super().on_preempted(job, preemption)

    def _at_pause(self, number: int) -> bool:
        return self._storage.trial(number).paused

    def _until(self, job: Job) -> int | None:
        last = self._storage.trial(job.number).decisions[-1]
        return None if last.get("last") else int(last["until"])

    # -- who is next ------------------------------------------------------------------------------------------------

    def _next(self) -> Job | None:
        """What a killed driver left, who is due, a new trial, or one that is needed at the end, in this order."""
        self._short_of_budget = False
        if self.saves_nothing:
            return None
        job = self._continued() or self._promoted() or self._newcomer() or self._sent_to_the_end()
        if job is None and not self._running:
            self._end_waiting()
        return job

    def _continued(self) -> Job | None:
        """A trial that an earlier start left on its way to a rung."""
        if not self._unfinished:
            return None
        number = self._unfinished[0][0]
        decisions = self._storage.trial(number).decisions
        until = int(decisions[-1]["until"]) if decisions else self._rule.until(number, 0)
        if not self._affords(number, until, reserving=False):
            return None
        job = self._readopted()
        return None if job is None else self._seeded(job)

    def _promoted(self) -> Job | None:
        if self._target_reached:
            return None
        due = self._rule.due(self._ranked(), self._paused, self._broken)
        if due is None:
            return None
        until = self._rule.until(due.number, due.rung, self._price.shortest(due.number))
        if not self._fits(self._trainings_for(due.number, until)):
            return None
        return self._handed_out(due, until, "promoted") if self._affords(due.number, until) else None

    def _newcomer(self) -> Job | None:
        number = self._storage.next_number()
        if self._full() or not self._affords(number, self._rule.until(number, 0)):
            return None
        job = self._proposed()
        return None if job is None else self._seeded(job)

    def _sent_to_the_end(self) -> Job | None:
        """The trial closest to the end, if fewer train than are still to reach it. No new one will come any more."""
        if self._complete + len(self._running) >= self._wanted:
            return None
        closest = self._rule.closest(self._ranked(), self._paused, self._broken)
        if closest is None or not self._affords(closest.number, self._rule.max_iter, reserving=False):
            return None
        last = self._size.rest(closest.number, closest.rung)
        if self._complete + len(self._running) and not self._fits(self._under_way() + last):
            return None  # one trains to its end in any case
        return self._handed_out(closest, self._rule.max_iter, "to the end")

    def _handed_out(self, due: Due, until: int, why: str) -> Job:
        job = self._paused.pop(due.number)
        price, expected = self._price.seconds, self._sampler.expected_end(due.number)
        self._chosen[due.number] = {
            **self._decision(due.rung, until, why, job.settings, job.cost),
            "rung": due.facts,
            **({} if expected is None else {"predicted": expected}),
            **({} if price is None else {"load_s": round(price, 3)}),
        }
        return job

    def _end_waiting(self) -> None:
        """End the trials that wait, for nobody is left to be measured against."""
        for number in sorted(self._paused):
            self._end_paused(number, f"paused at epoch {max(self._curves[number])}, not promoted")
        self.cut = self._short_of_budget
        self._give_up_when_exhausted()

    # -- the record of decisions --------------------------------------------------------------------------------------

    def _decided_new(self, number: int, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The decision to start a new trial, whose configuration was `chosen` so."""
        feasibility = self._context.gate.assess(self._storage.trial(number).parameters)
        until = self._rule.until(number, 0)
        return {**chosen, **self._decision(0, until, "new", feasibility.settings, feasibility.cost)}

    def _decision(
        self, start: int, until: int, why: str, settings: Mapping[str, Any], cost: Mapping[str, int]
    ) -> dict[str, Any]:
        last = until >= self._rule.max_iter
        epochs = max(0, (self._unit.epochs_of(settings) if last else until) - start)
        decision = {"order": self._made, "from": start, "until": until, "why": why}
        self._made += 1
        return {**decision, **({"last": True} if last else {}), "cost": epochs * self._unit.per_epoch(cost)}

    def _noted_at_start(self, job: Job) -> dict[str, Any]:
        noted, made = super()._noted_at_start(job), self._storage.trial(job.number).decisions
        chosen = self._chosen.pop(job.number, None)
        if chosen is None and not made:
            chosen = self._decided_new(job.number, {})
        return noted if chosen is None else {**noted, "decisions": [*made, chosen]}

    # -- what is known ------------------------------------------------------------------------------------------------

    def _ranked(self) -> dict[int, Curve]:
        """The curves of the trials that take a place at the rungs."""
        return {n: self._broken.get(n, curve) for n, curve in self._curves.items() if n not in self._lost}

    def _take_in(self, trial: Trial) -> None:
        self._complete += trial.status is Status.COMPLETE
        if trial.status in (Status.DIVERGED, Status.OUT_OF_MEMORY):
            self._broken[trial.number] = trial.measured
        elif trial.status not in (Status.RUNNING, Status.COMPLETE, Status.PRUNED):
            self._lost.add(trial.number)
        if trial.decisions and trial.curve:
            starts = [int(decision["from"]) for decision in trial.decisions if "from" in decision]
            self._price.learn(trial.number, self._storage.rows(trial.number), starts)

    def _ended(self, job: Job, trial: Trial) -> None:
        super()._ended(job, trial)
        self._take_in(trial)
        self._delete_checkpoints()

    def _pause(self, number: int) -> None:
        self._storage.pause(number)
        super()._pause(number)
        self._take_in(self._storage.trial(number))
        self._delete_checkpoints()

    def _delete_checkpoints(self) -> None:
        """Delete the checkpoints of the paused trials that can never go on.

        While trials are still needed at the end, any may be: those ahead of it could all break.
        """
        if self._complete < self._wanted:
            return
        most = self._study.most_trials
        over = self._target_reached or self._exhausted
        if most is None and not over:
            return  # nobody knows how many will come: with enough of them each of the waiting may be promoted
        newcomers = 0 if over or most is None else most - self._taken()
        waiting = self._paused.keys() - self._without_checkpoint
        hopeless = self._rule.hopeless(self._ranked(), waiting, self._broken, self._running, max(0, newcomers))
        for number in hopeless:
            self._storage.delete_checkpoints(number)
        self._without_checkpoint |= hopeless

    def _stop_instead(self, number: int) -> None:
        """Note that the workload saves no checkpoints; its trials are trained again, and stop at their rungs."""
        job = self._released(number)
        if not self.saves_nothing:
            self.saves_nothing = True
            self._storage.set_facts({**self._storage.decided()["facts"], STOPS: NO_CHECKPOINTS})
            self._context.observer.on_note(f"{self._storage.stage}: {NO_CHECKPOINTS}")
        decision = self._decision(0, self._rule.max_iter, "stops", job.settings, job.cost)
        self._storage.annotate(number, decisions=[*self._storage.trial(number).decisions, decision])

    # -- the size in trainings ----------------------------------------------------------------------------------------

    def _ahead(self) -> float:
        number = self._storage.next_number()
        return self._trainings_for(number, self._rule.until(number, 0))

    def _trainings_for(self, number: int, until: int) -> float:
        """The trainings up to an epoch of a trial, of those under way, and of those that the end needs after it."""
        if not self._size.limited:
            return 0.0
        goal = None if until >= self._rule.max_iter else until
        known = number in self._curves
        step = self._size.rest(number, self._epoch(number), goal) if known else self._size.newcomer(goal)
        goals = {other: self._epoch(other) for other in self._paused}
        goals |= {other: self._goal_of(other) for other in self._begun()}
        standings = [Standing(epoch, self._size.rest(n, epoch)) for n, epoch in goals.items() if n != number]
        whole = self._size.newcomer()
        standings.append(Standing(until, self._size.rest(number, until) if known else whole - step))
        before_the_end = [standing for standing in standings if standing.epoch < self._rule.max_iter]
        missing = self._missing(self._size.trainings or 0.0, number, until)
        return self._under_way() + step + to_the_end(before_the_end, missing, whole)

    def _under_way(self) -> float:
        """The trainings that the trials under way still take, each as far as it was handed out for."""
        goals = {number: self._goal_of(number) for number in self._begun()}
        ends = {number: None if goal >= self._rule.max_iter else goal for number, goal in goals.items()}
        return sum(self._size.rest(number, self._epoch(number), end) for number, end in ends.items())

    def _missing(self, holds: float, number: int, until: int) -> int:
        """How many trials must still be sent to their end, once a trial has been handed out up to an epoch.

        A budget that holds few full trainings holds back for half as many as it holds, and at least for one.
        """
        last = self._rule.max_iter
        bound = sum(self._goal_of(other) >= last for other in self._begun() - {number}) + (until >= last)
        most = self._wanted if math.isinf(holds) else max(1, int(holds / 2))
        return max(0, min(self._wanted, most) - self._complete - bound)

    # -- the budget ---------------------------------------------------------------------------------------------------

    def _affords(self, number: int, until: int, *, reserving: bool = True) -> bool:
        """Whether the budget admits a trial up to an epoch, beside those that train and, after it, those at the end."""
        if not self._context.budget.limited:
            return True
        pace = self._pace()
        step = max(0, until - self._epoch(number)) * pace
        training = sum(max(0, self._goal_of(other) - self._epoch(other)) for other in self._running) * pace
        return self._admits(0.0, step, self._reserve(number, until, pace) if reserving else 0.0, training)

    def _pace(self) -> float:
        """Device-seconds per epoch: of the slowest trial, by epochs that no process begins with.

        While there are none, the fastest of several trials tells: a single one may have imported torch in its epoch.
        """
        paces = [seconds / self._epoch(number) for number, seconds in self._seconds.items() if self._epoch(number)]
        return self._price.slowest_epoch_s or (min(paces) if len(paces) > 1 else 0.0)

    def _reserve(self, number: int, until: int, pace: float) -> float:
        """The device-seconds that trials at the end will still need, once one has been trained up to `until`."""
        last = self._rule.max_iter
        missing = self._missing(self._context.budget.holds(self.stage, last * pace), number, until)
        ahead = {other: self._epoch(other) for other in self._paused}
        ahead |= {other: self._goal_of(other) for other in self._running}
        epochs = [epoch for epoch in {**ahead, number: until}.values() if epoch < last]
        return to_the_end([Standing(epoch, last - epoch) for epoch in epochs], missing, last) * pace

    def _goal_of(self, number: int) -> int:
        """The epoch up to which a running trial was handed out."""
        decisions = self._storage.trial(number).decisions
        return int(decisions[-1]["until"]) if decisions else self._rule.max_iter
