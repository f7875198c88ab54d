"""The decisions of a search in their order, read from the records of its trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sweeps.trial.trial import Status, Trial

NEW, PROMOTED, TO_THE_END = "new", "promoted", "to the end"  # why a trial is handed out
Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-math.inf, math.inf)
COVERAGE = 0.8  # the share of ends that a prediction's interval is to contain


@dataclass(frozen=True)
class Prediction:
    """What the surrogate expected of the metric at the end of training: its median and an 80 % interval."""

    low: float
    median: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether a value lies within the interval."""
        return self.low <= value <= self.high

    def within(self, bounds: Bounds) -> Prediction:
        """Return the prediction without what lies beyond the bounds of the metric."""
        return Prediction(*(min(max(value, bounds[0]), bounds[1]) for value in (self.low, self.median, self.high)))


@dataclass(frozen=True)
class Rung:
    """The rung from which a trial was promoted.

    Attributes:
        reached: How many trials had reached it.
        go_on: How many of them had earned to go on.
        place: The place of the trial among them, from 1.
    """

    reached: int | None
    go_on: int | None
    place: int | None


@dataclass(frozen=True)
class Candidate:
    """A trial that might have been handed out instead, or the one that was.

    Attributes:
        trial: The number of a trial that waited; None for a new configuration.
        parameters: The settings of a new configuration by dotted key.
        predicted: Its predicted end.
        cost: The cost of the step, in epochs of the baseline.
        score: What the sampler ranked the candidates by; larger is better.
    """

    trial: int | None
    parameters: Mapping[str, Any]
    predicted: Prediction | None = None
    cost: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Decision:
    """Why a trial was handed out once.

    Attributes:
        order: The number of the decision in the search, from 0.
        trial: The number of the trial.
        start: The epoch after which it went on; 0 for a new one.
        until: The epoch up to which it was to be trained.
        last: Whether the trial was to go on to its end.
        why: `NEW`, `PROMOTED` or `TO_THE_END`; empty where it is not known.
        by: What chose the configuration of a new trial: baseline, start, model, random, enqueued, tpe or grid.
        rung: The rung from which it was promoted.
        predicted: Its predicted end; None without a model.
        cost: The cost of the step, in epochs of the baseline.
        load_s: The measured time to load a paused state, in seconds.
        candidates: The best candidates, best first.
        model: The state of the surrogate, as plain data.
    """

    order: int | None
    trial: int
    start: int | None = None
    until: int | None = None
    last: bool = False
    why: str = ""
    by: str = ""
    rung: Rung | None = None
    predicted: Prediction | None = None
    cost: float | None = None
    load_s: float | None = None
    candidates: tuple[Candidate, ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, recorded: Any, trial: int, bounds: Bounds = UNBOUNDED) -> Decision:
        """Return the decision that a trial's record holds as plain data.

        Args:
            recorded: The plain data.
            trial: The number of the trial.
            bounds: Those of the metric. The surrogate knows of none, so its predictions may lie beyond.
        """
        content = _mapping(recorded)
        rung = _mapping(content.get("rung"))
        return cls(
            order=_whole(content.get("order")),
            trial=trial,
            start=_whole(content.get("from")),
            until=_whole(content.get("until")),
            last=content.get("last") is True,
            why=_word(content.get("why")),
            by=_word(content.get("by")),
            rung=Rung(*(_whole(rung.get(name)) for name in ("reached", "go_on", "place"))) if rung else None,
            predicted=_prediction(content.get("predicted"), bounds),
            cost=_number(content.get("cost")),
            load_s=_number(content.get("load_s")),
            candidates=tuple(_candidate(each, bounds) for each in _entries(content.get("candidates"))),
            model=_mapping(content.get("model")),
        )


@dataclass(frozen=True)
class Step:
    """A decision and what came of it.

    Attributes:
        decision: The decision.
        trial: The trial that was handed out.
    """

    decision: Decision
    trial: Trial

    @property
    def reached(self) -> float | None:
        """The metric at the epoch up to which the trial was handed out; None if it did not come as far."""
        if self.to_the_end:
            return self.end
        until = self.decision.until
        return None if until is None else _number(self.trial.measured.get(until))

    @property
    def end(self) -> float | None:
        """The metric at the end of training; None unless the trial was trained to its end."""
        if self.trial.status is not Status.COMPLETE or not self.trial.curve:
            return None
        return _number(self.trial.curve[max(self.trial.curve)])

    def plain(self) -> dict[str, Any]:
        """Return the decision and what came of it as plain data for JSON."""
        content = asdict(self.decision)
        content["from"] = content.pop("start")
        return {**content, "reached": self.reached, "state": self.trial.state, "end": self.end}

    @property
    def to_the_end(self) -> bool:
        """Whether the trial was trained to its end in this step; its end may come before the epoch in the decision."""
        return self.end is not None and (self.decision.last or self.decision.until == self.trial.epochs)


def steps_of(trials: Iterable[Trial], bounds: Bounds = UNBOUNDED) -> tuple[Step, ...]:
    """Return the decisions on record in their order; those without one follow in the order of trials."""
    recorded = ((trial, plain) for trial in trials for plain in _entries(trial.decisions))
    steps = [Step(Decision.of(plain, trial.number, bounds), trial) for trial, plain in recorded]
    return tuple(sorted(steps, key=lambda step: math.inf if step.decision.order is None else step.decision.order))


def _entries(recorded: Any) -> Iterable[Any]:
    return recorded if isinstance(recorded, list | tuple) else ()


def _candidate(recorded: Any, bounds: Bounds) -> Candidate:
    content = _mapping(recorded)
    return Candidate(
        _whole(content.get("trial")),
        _mapping(content.get("parameters")),
        _prediction(content.get("predicted"), bounds),
        _number(content.get("cost")),
        _number(content.get("score")),
    )


def _prediction(recorded: Any, bounds: Bounds) -> Prediction | None:
    if not isinstance(recorded, list | tuple) or len(recorded) != 3:
        return None
    low, median, high = map(_number, recorded)
    if low is None or median is None or high is None or not low <= median <= high:
        return None
    return Prediction(low, median, high).within(bounds)


def _mapping(recorded: Any) -> Mapping[str, Any]:
    return {str(key): value for key, value in recorded.items()} if isinstance(recorded, Mapping) else {}


def _number(recorded: Any) -> float | None:
    if isinstance(recorded, bool) or not isinstance(recorded, int | float) or not math.isfinite(recorded):
        return None
    return float(recorded)


def _whole(recorded: Any) -> int | None:
    number = _number(recorded)
    return int(number) if number is not None and number.is_integer() else None


def _word(recorded: Any) -> str:
    return recorded if isinstance(recorded, str) else ""
