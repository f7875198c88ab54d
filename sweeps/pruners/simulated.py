"""What a search whose trials pause costs: promotion, simulated with trials whose order never changes."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass

from sweeps.pruners.promotion import Promotion
from sweeps.pruners.reserve import Standing, to_the_end

TRIALS = 2_000  # simulated in all, over several searches
SEARCHES = 30  # at most
CHEAP = 5  # configurations that a full training buys, roughly


@dataclass(frozen=True)
class SimulatedSearch:
    """The means of several simulated searches.

    Attributes:
        trials: The configurations that were begun.
        epochs: The epochs of all trials.
        reached: How many trials have reached each rung, by its epoch, ascending.
        completed: How many have trained to their end.
        paused: The most trials that wait at once, in any of the searches.
        fewest: The fewest configurations that a search began.
        most: The most.
        least_epochs: The epochs of the search with the fewest.
        most_epochs: The epochs of the search with the most.
    """

    trials: float
    epochs: float
    reached: dict[int, float]
    completed: float
    paused: int
    fewest: int
    most: int
    least_epochs: float
    most_epochs: float

    def scaled(self, factor: float) -> SimulatedSearch:
        """Return a search of `factor` times as many trials."""
        return SimulatedSearch(
            trials=self.trials * factor,
            epochs=self.epochs * factor,
            reached={rung: number * factor for rung, number in self.reached.items()},
            completed=self.completed * factor,
            paused=round(self.paused * factor),
            fewest=round(self.fewest * factor),
            most=round(self.most * factor),
            least_epochs=self.least_epochs * factor,
            most_epochs=self.most_epochs * factor,
        )


def simulate(rule: Promotion, trials: int | None, epochs: float | None, finalists: int) -> SimulatedSearch:
    """Simulate searches with one worker, in which all trials need the same time for an epoch.

    A search of more than `TRIALS` configurations is simulated with so many, and scaled up.

    Args:
        rule: The rule of promotion.
        trials: The most configurations; None if `epochs` alone limit the search.
        epochs: The epochs of all trials together; None if `trials` alone limits the search.
        finalists: How many trials are to train to their end.
    """
    about = min(trials or math.inf, math.inf if epochs is None else CHEAP * epochs / rule.max_iter)
    if about > TRIALS:
        part = TRIALS / about
        few = simulate(rule, trials and round(trials * part), epochs and epochs * part, finalists)
        return few.scaled(1 / part)
    repeats = max(3, min(SEARCHES, round(TRIALS / max(1, about))))
    searches = [_Search(rule, trials, epochs, finalists, random.Random(seed)) for seed in range(repeats)]
    for search in searches:
        search.run()
    reached = {rung: sum(search.reached[rung] for search in searches) / repeats for rung in rule.rungs}
    return SimulatedSearch(
        trials=sum(search.begun for search in searches) / repeats,
        epochs=sum(search.spent for search in searches) / repeats,
        reached=reached,
        completed=sum(search.completed for search in searches) / repeats,
        paused=max(search.most_paused for search in searches),
        fewest=min(search.begun for search in searches),
        most=max(search.begun for search in searches),
        least_epochs=min(search.spent for search in searches),
        most_epochs=max(search.spent for search in searches),
    )


class _Search:
    """One simulated search. Of each trial only its value matters; lower is better."""

    def __init__(
        self, rule: Promotion, trials: int | None, epochs: float | None, finalists: int, generator: random.Random
    ) -> None:
        self._rule, self._trials, self._epochs, self._finalists = rule, trials, epochs, finalists
        self._generator = generator
        self._standing: dict[tuple[int, int], list[float]] = {}  # the values at a rung of a bracket, best first
        self._waiting: dict[int, list[tuple[float, int]]] = {rung: [] for rung in rule.rungs}  # best first
        self.begun = self.completed = self.most_paused = 0
        self.spent = 0.0
        self.reached: Counter[int] = Counter()

    def run(self) -> None:
        """Train until nothing is left to be promoted, begun, or sent to its end."""
        while self._promote() or self._begin() or self._finish():
            self.most_paused = max(self.most_paused, sum(map(len, self._waiting.values())))

    def _promote(self) -> bool:
        for rung in reversed(self._rule.rungs):
            for value, number in self._best_waiting(rung):
                ranked = self._standing[rung, self._rule.bracket(number)]
                if bisect_left(ranked, value) < len(ranked) // self._rule.eta:
                    until = self._rule.until(number, rung)
                    return self._fits(rung, until) and self._train(number, value, rung, until)
        return False

    def _best_waiting(self, rung: int) -> list[tuple[float, int]]:
        """The best trial of each bracket that waits at a rung, best first: nobody behind it is due before it."""
        best: dict[int, tuple[float, int]] = {}
        for value, number in self._waiting[rung]:
            best.setdefault(self._rule.bracket(number), (value, number))
            if self._rule.brackets == 1:
                break
        return list(best.values())

    def _begin(self) -> bool:
        until = self._rule.until(self.begun, 0)
        if (self._trials is not None and self.begun >= self._trials) or not self._fits(0, until):
            return False
        self.begun += 1
        return self._train(self.begun - 1, self._generator.random(), 0, until)

    def _finish(self) -> bool:
        rung = max((rung for rung, waiting in self._waiting.items() if waiting), default=None)
        if rung is None or self.completed >= self._finalists:
            return False
        value, number = self._waiting[rung][0]
        last = self._rule.max_iter
        fits = self._epochs is None or not self.completed or self.spent + last - rung <= self._epochs
        return fits and self._train(number, value, rung, last)

    def _train(self, number: int, value: float, start: int, until: int) -> bool:
        if start:
            self._waiting[start].remove((value, number))
        self.spent += until - start
        for rung in self._rule.rungs:
            self.reached[rung] += start < rung <= until
        if until >= self._rule.max_iter:
            self.completed += 1
        else:
            insort(self._standing.setdefault((until, self._rule.bracket(number)), []), value)
            insort(self._waiting[until], (value, number))
        return True

    def _fits(self, start: int, until: int) -> bool:
        """Whether a step leaves enough for the end, as the search itself reckons."""
        if self._epochs is None:
            return True
        last = self._rule.max_iter
        most = max(1, int(self._epochs / last / 2))
        missing = min(self._finalists, most) - self.completed - (until >= last)
        counts = {rung: len(waiting) - (rung == start) for rung, waiting in self._waiting.items()}
        counts |= {until: counts.get(until, 0) + 1} if until < last else {}
        nearest = ((rung, min(number, missing)) for rung, number in counts.items())
        standings = (Standing(rung, last - rung) for rung, number in nearest for _ in range(number))
        return self.spent + until - start + to_the_end(standings, missing, last) <= self._epochs + 1e-9
