"""Successive halving that pauses: a trial waits at each rung until it has earned to go on.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020), algorithm 2: a free worker continues
the best paused trial that is among the best 1/eta of all that have reached its rung, else it starts a new one. In the
variant that stops (`Asha`), the first trials of a rung go on whatever they are worth, and a stopped one never comes
back.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sweeps.pruners.base import Curve
from sweeps.pruners.hyperband import Hyperband
from sweeps.stats.goal import Goal, sign

Curves = Mapping[int, Curve]
"""The curves of trials by number: of all that have ended or run, without those that a machine lost."""


@dataclass(frozen=True)
class Due:
    """A paused trial that goes on, and where it stands at its rung.

    Attributes:
        number: The trial.
        rung: The epoch at which it waits.
        reached: How many trials have reached the rung, itself included.
        go_on: How many of them may go on: the best `floor(reached / eta)`.
        place: Its place among them, from 1.
    """

    number: int
    rung: int
    reached: int
    go_on: int
    place: int

    @property
    def facts(self) -> dict[str, int]:
        """The facts of the rung as plain data, for the record of a decision."""
        return {"reached": self.reached, "go_on": self.go_on, "place": self.place}


@dataclass(frozen=True)
class Promotion:
    """Decides which paused trial goes on. A pure function of the curves, so that a restarted study decides as before.

    Of equal values the lower number is better. A trial that broke (diverged, or ran out of memory) counts, with the
    worst value, at the rung that it would have reached next: it had its chance, and the best are the best of all that
    had.

    Attributes:
        min_iter: The epochs of the first rung.
        max_iter: The epochs of a full trial.
        eta: The ratio of successive rungs; at each rung the best 1/`eta` go on.
        goal: The direction of the metric.
        brackets: In how many brackets the trials are compared, each with its first rung `eta` times as late as the one
            before, as in `Hyperband`; None: in all that fit below `max_iter`, and one that pauses no trial.
    """

    min_iter: int
    max_iter: int
    eta: int
    goal: Goal
    brackets: int | None = 1

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs below `max_iter` at which trials pause, ascending; the first bracket has those of all."""
        return self._ladder(0)

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial, from its number alone."""
        return 0 if self.brackets == 1 else _bracket(self._hyperband, number)

    def until(self, number: int, epoch: int, shortest: float = 0.0) -> int:
        """Return the epoch at which a trial pauses next; `max_iter` where it goes on to its end.

        Args:
            number: The trial.
            epoch: The epochs that it has trained.
            shortest: The fewest epochs that are worth loading its state for. Rungs that are nearer are passed over.
        """
        ahead = (rung for rung in self._ladder(self.bracket(number)) if rung > epoch and rung >= epoch + shortest)
        return next(ahead, self.max_iter)

    def due(self, curves: Curves, waiting: Collection[int], broken: Collection[int] = ()) -> Due | None:
        """Return the paused trial that has earned to go on: the best one at the highest rung; None if none has.

        Args:
            curves: The curves of all trials.
            waiting: The paused trials.
            broken: The trials that broke; their curves hold what was measured before.
        """
        return next((due for due in self._ranked(curves, waiting, broken) if due.place <= due.go_on), None)

    def closest(self, curves: Curves, waiting: Collection[int], broken: Collection[int] = ()) -> Due | None:
        """Return the paused trial that is closest to the end: the best one at the highest rung; None if none waits.

        Whether it has earned to go on does not matter. Arguments as for `due`.
        """
        return next(self._ranked(curves, waiting, broken), None)

    def hopeless(
        self,
        curves: Curves,
        waiting: Collection[int],
        broken: Collection[int] = (),
        training: Collection[int] = (),
        newcomers: int = 0,
    ) -> set[int]:
        """Return the paused trials that can never earn to go on, whatever the others will reach.

        Args:
            curves: The curves of all trials.
            waiting: The paused trials.
            broken: The trials that broke.
            training: The trials that train now.
            newcomers: The most trials that will still be added.
        """
        found: set[int] = set()
        for rung in self.rungs:
            for bracket in self._brackets(rung):
                ranked = self._standing(rung, bracket, curves, broken)
                alive = {number for number in {*waiting, *training} - found if self.bracket(number) == bracket}
                most = len({*ranked, *alive}) + newcomers
                behind = ranked[most // self.eta :]
                found |= {number for number in behind if number in waiting and self._waits_at(curves[number]) == rung}
        return found

    @property
    def _hyperband(self) -> Hyperband:
        return _hyperband(self.min_iter, self.max_iter, self.eta, self.goal, self.brackets)

    def _ladder(self, bracket: int) -> tuple[int, ...]:
        return _ladder(self._hyperband, bracket)

    def _brackets(self, rung: int) -> list[int]:
        """The brackets that have a rung at this epoch."""
        return [bracket for bracket in range(len(self._hyperband.ladders)) if rung in self._ladder(bracket)]

    def _ranked(self, curves: Curves, waiting: Collection[int], broken: Collection[int]) -> Iterator[Due]:
        """Yield the paused trials, those at the highest rung first, there the best first."""
        better = sign(self.goal)
        for rung in reversed(self.rungs):
            here = {number for number in waiting if self._waits_at(curves[number]) == rung}
            if not here:
                continue
            standing = {bracket: self._standing(rung, bracket, curves, broken) for bracket in self._brackets(rung)}
            for number in sorted(here, key=lambda number: (-better * curves[number][rung], number)):
                ranked = standing[self.bracket(number)]
                yield Due(number, rung, len(ranked), len(ranked) // self.eta, 1 + ranked.index(number))

    def _standing(self, rung: int, bracket: int, curves: Curves, broken: Collection[int]) -> list[int]:
        """The trials of a bracket that have reached a rung, best first."""
        better = sign(self.goal)
        places = []
        for number, curve in curves.items():
            if self.bracket(number) != bracket:
                continue
            if rung in curve:
                places.append((-better * curve[rung], number))
            elif number in broken and self.until(number, max(curve, default=0)) == rung:
                places.append((math.inf, number))
        return [number for _, number in sorted(places)]

    def _waits_at(self, curve: Curve) -> int:
        """The rung at which a paused trial waits: the last one that it has reached."""
        return max((rung for rung in self.rungs if rung in curve), default=0)


@cache
def _hyperband(*settings: Any) -> Hyperband:
    return Hyperband(*settings)


@cache
def _bracket(rule: Hyperband, number: int) -> int:
    return rule.bracket(number)


@cache
def _ladder(rule: Hyperband, bracket: int) -> tuple[int, ...]:
    """The rungs of a bracket as whole epochs; none where even the first one is beyond the end."""
    return rule.ladders[bracket].judged(rule.max_iter) if rule.ladders else ()
