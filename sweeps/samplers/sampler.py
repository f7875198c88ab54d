"""Propose configurations: a sampler behind the constraint gate, without duplicates, restartable.

The sampler keeps no state of its own between starts: everything it knows is read from the stage's storage. A restarted
study therefore continues with the proposals that an uninterrupted one would have made.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler

from sweeps.runners.protocol import Job
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.samplers.grid import GridWalk
from sweeps.samplers.tpe import Tpe
from sweeps.space.distributions import distribution
from sweeps.space.encoding import decode, decode_value, encode, identity
from sweeps.space.space import Space
from sweeps.storage.database.ownership import ENQUEUED
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.study import Study
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Outcome, Status, Trial

if TYPE_CHECKING:
    from sweeps.samplers.bayes import Bayes
    from sweeps.surrogate.warm_start import Source

MAX_REFUSED_IN_A_ROW = 1_000
MAX_GRID_CELLS = 10_000  # up to this size the untried cells of a finite space are listed instead of drawn
REPEATS_ALLOWED = 3  # duplicates in a row before an untried cell is chosen instead
MAX_TRIES_PER_CELL = 3  # how often a configuration may fail before it counts as tried


class NothingFits(Exception):
    """The sampler found nothing within the constraints in `MAX_REFUSED_IN_A_ROW` draws."""


class Sampler:
    """Propose the configurations of one search.

    Args:
        study: The study whose space is searched.
        storage: The stage's trials, the only source of what has been tried.
        gate: Checks each configuration against the study's constraints.
        on_refused: Called with each trial that was refused before it started.
        sources: Earlier searches that inform the surrogate.

    Attributes:
        decide: Returns the decision to start a trial, given its number and how its configuration was chosen: plain data
            that is recorded in the same transaction as the trial. None: nothing is recorded.
    """

    decide: Callable[[int, Mapping[str, Any]], Mapping[str, Any] | None]

    def __init__(
        self,
        study: Study,
        storage: StageStorage,
        gate: ConstraintGate,
        on_refused: Callable[[Trial], None],
        sources: Sequence[Source] = (),
    ) -> None:
        self._study = study
        self._space: Space = study.space
        self._storage = storage
        self._gate = gate
        self._on_refused = on_refused
        self._size = study.space.size
        self._grid = GridWalk(study.space)
        self._tried: set[str] = set()
        self._failures: dict[str, int] = {}
        self._rejections = 0
        self._blind = False  # whether the surrogate has found nothing that fits, so that draws are random
        self.decide = self._decision
        self._bayes = self._surrogate(sources) if study.method == "bayes" else None
        for trial in storage.trials():
            self._remember(trial.parameters, trial.status)

    @property
    def exhausted(self) -> bool:
        """Whether every configuration of a finite space has been proposed."""
        return self._size is not None and len(self._tried) >= self._size

    def enqueue(self, parameters: Mapping[str, Any], by: str = ENQUEUED) -> None:
        """Have `parameters` proposed before anything is sampled; `by` says in the record who has chosen them."""
        self._storage.enqueue(encode(self._space, parameters), by)

    def propose(self) -> Job | None:
        """Return the next configuration that satisfies the constraints and was not tried before; None if none is left.

        Configurations that the gate refuses on the way stay in the storage as REJECTED. Optuna is told PRUNED with the
        violation, so that its sampler learns to avoid them.

        Raises:
            NothingFits: `MAX_REFUSED_IN_A_ROW` configurations in a row were refused or tried before.
        """
        repeats, self._blind = 0, False
        for _ in range(MAX_REFUSED_IN_A_ROW):
            if self.exhausted:
                return None
            trial = self._ask(stuck=self._blind or repeats >= REPEATS_ALLOWED)
            parameters = decode(self._space, trial.params)
            repeats += identity(parameters) in self._tried
            job = self._checked(trial.number, parameters)
            if job is not None:
                return job
        raise NothingFits(f"{MAX_REFUSED_IN_A_ROW:,} configurations in a row were over the budget or tried before")

    def readopt(self, number: int, params: Mapping[str, Any]) -> Job | None:
        """Return the job of a trial that a killed driver left running; None if it cannot or may not be trained.

        Args:
            number: The trial's number.
            params: Its parameters as Optuna stores them.
        """
        if not self._complete(params):
            self._on_refused(self._storage.abandon(number, "half-sampled when the driver ended"))
            return None
        return self._checked(number, decode(self._space, params))

    def expected_end(self, number: int) -> list[float] | None:
        """Return the 10, 50 and 90 % quantiles of how a paused trial would end; None without the surrogate."""
        return None if self._bayes is None else self._bayes.expected_end(self._storage.trials(), number)

    def failed(self, parameters: Mapping[str, Any]) -> None:
        """Allow `parameters` to be proposed again, a few times: the machine failed, not the configuration."""
        cell = identity(parameters)
        self._failures[cell] = self._failures.get(cell, 0) + 1
        if self._failures[cell] < MAX_TRIES_PER_CELL:
            self._tried.discard(cell)
            self._grid.failed(parameters, self._failures[cell])
        else:
            self._tried.add(cell)

    def _checked(self, number: int, parameters: Mapping[str, Any]) -> Job | None:
        """The job of a configuration, or None after recording why it is refused."""
        if identity(parameters) in self._tried:
            self._on_refused(self._storage.finish(number, Outcome(Status.DUPLICATE, "tried before")))
            return None
        self._tried.add(identity(parameters))
        feasibility = self._gate.assess(parameters)
        if feasibility.accepted:
            return Job(self._storage.stage, number, feasibility.settings, feasibility.cost, parameters)
        self._rejections += 1
        self._on_refused(self._storage.reject(number, feasibility))
        return None

    def _remember(self, parameters: Mapping[str, Any], status: Status) -> None:
        if status is Status.FAILED:
            self.failed(parameters)
        elif status not in (Status.RUNNING, Status.ABANDONED, Status.DUPLICATE):
            self._tried.add(identity(parameters))
            self._rejections += status is Status.REJECTED

    def _complete(self, params: Mapping[str, Any]) -> bool:
        """Whether every active dimension has a value: a driver may have been killed between two suggestions."""
        values: dict[str, Any] = {}
        for dimension in self._space.dimensions:
            if self._space.active(dimension, values):
                if dimension.key not in params:
                    return False
                values[dimension.key] = decode_value(dimension, params[dimension.key])
        return True

    def _ask(self, stuck: bool) -> optuna.Trial:
        """A trial of the sampler's choice; of an untried cell in a grid, and where the sampler repeats itself.

        What a user has enqueued in the database with Optuna's own tools comes first.
        """
        self._refuse_foreign_values()
        study = self._storage.optuna_study
        listed = stuck and (self._size or math.inf) <= MAX_GRID_CELLS
        # A driver may have been killed between enqueueing and asking: then a cell is waiting already.
        if (listed or self._study.method == "grid") and not self._storage.waiting():
            self.enqueue(self._untried_cell(), "grid" if self._study.method == "grid" else "random")
        study.sampler = self._optuna_sampler(self._storage.next_number())
        # One transaction: a kill leaves either no trial or one with all its parameters and the decision to start it.
        with self._storage.together():
            trial = self._storage.ask()
            self._suggest(trial)
            decision = self.decide(trial.number, self._chosen(trial.number))
            if decision is not None:
                self._storage.annotate(trial.number, decisions=[dict(decision)])
        return trial

    def _chosen(self, number: int) -> dict[str, Any]:
        """How the configuration of a trial was chosen, as plain data: `by`, and what the surrogate says of it."""
        if (by := self._storage.enqueued_by(number)) is not None:
            return {"by": by}
        return {"by": self._study.method} if self._bayes is None else self._bayes.chosen()

    def _decision(self, number: int, chosen: Mapping[str, Any]) -> dict[str, Any] | None:
        """The decision to train a trial to its end. It is recorded where the next proposal depends on it."""
        if self._bayes is None:
            return None
        made = sum(len(trial.decisions) for trial in self._storage.trials())
        until = self._bayes.epochs_of(self._storage.trial(number).parameters)
        return {"order": made, "from": 0, "until": until, "last": True, "why": "new", **chosen}

    def _refuse_foreign_values(self) -> None:
        """End the trials that another program has enqueued with values outside the space."""
        for number, params in self._storage.enqueued_elsewhere():
            reason = _outside(self._space, params)
            refused = self._storage.refuse(number, f"enqueued by another program: {reason}") if reason else None
            if refused is not None:
                self._on_refused(refused)

    def _suggest(self, trial: optuna.Trial) -> None:
        values: dict[str, Any] = {}
        for dimension in self._space.dimensions:
            if self._space.active(dimension, values):
                raw = _suggest(trial, dimension.key, distribution(dimension))
                values[dimension.key] = decode_value(dimension, raw)

    def _untried_cell(self) -> dict[str, Any]:
        """In a grid the first in grid order, cells that failed before last; elsewhere one at random.

        At random, because grid order would favour the first values of every dimension.
        """
        if self._study.method == "grid":
            return self._grid.next(self._tried, self._failures)
        generator = random.Random(stream(self._study.seed, "cell", self._storage.next_number()))
        return generator.choice(self._grid.untried(self._tried))

    def _optuna_sampler(self, number: int) -> BaseSampler:
        trials = self._storage.trials()
        if self._bayes is not None:
            if not (self._blind or self._storage.anything_waiting()):
                self._blind = not self._bayes.prepare(trials, number)
            return self._bayes
        # Seeded by the trial's number: after a restart a fixed seed would draw the same values again (Optuna #3255).
        seed = stream(self._study.seed, "sampler", number) % 2**32
        if self._study.method != "tpe":
            return RandomSampler(seed=seed)
        # Rejected trials have no metric and would use up the random start. Beyond three times its length they teach the
        # sampler, which learns from violations too, more than further random draws do (docs/measurements.md).
        size = self._study.run_cap or int(self._study.budget.trainings or 0)
        startup = min(10, max(3, size // 3))
        startup += min(self._rejections, 2 * startup)
        with warnings.catch_warnings():
            # `group` and `constant_liar` are experimental in Optuna; the pinned version is tested.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return Tpe(
                self._storage.optuna_study.sampler,
                paused=frozenset(trial.number for trial in trials if trial.paused),
                seed=seed,
                n_startup_trials=startup,
                multivariate=True,
                constant_liar=True,
                group=any(dimension.when for dimension in self._space.dimensions),
            )

    def _surrogate(self, sources: Sequence[Source]) -> Bayes:
        from sweeps.samplers.bayes import Bayes  # here, because it loads scipy, which other methods do without

        return Bayes(self._study, self._gate, self._is_untried, sources)

    def _is_untried(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a configuration is new. One that has failed comes back last, when no other is left."""
        cell = identity(parameters)
        return cell not in self._tried and cell not in self._failures


def _outside(space: Space, params: Mapping[str, Any]) -> str:
    """Return why parameters, as Optuna stores them, are not in the space; "" if they are. Not all need be given."""
    dimensions = {dimension.key: distribution(dimension) for dimension in space.dimensions}
    for name, value in params.items():
        if name not in dimensions:
            return f"{name} is not searched; searched are: {', '.join(dimensions)}"
        try:
            inside = dimensions[name]._contains(dimensions[name].to_internal_repr(value))
        except (ValueError, TypeError):
            inside = False
        if not inside:
            return f"{name} = {value!r} is not in the search space: {dimensions[name]}"
    return ""


def _suggest(trial: optuna.Trial, key: str, kind: BaseDistribution) -> Any:
    if isinstance(kind, CategoricalDistribution):
        return trial.suggest_categorical(key, kind.choices)
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
    assert isinstance(kind, FloatDistribution)
    return trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
