"""What to try next: Optuna's samplers behind the budget gate, without duplicates, the same after a restart."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler

from sweeps.samplers.feasibility import ConstraintGate
from sweeps.samplers.tpe import Tpe
from sweeps.space.distributions import distribution
from sweeps.space.encoding import decode, decode_value, encode, identity
from sweeps.space.space import Space
from sweeps.storage.stage_storage import StageStorage
from sweeps.study.study import Study
from sweeps.trial.assessment import Feasibility
from sweeps.trial.seeds import stream
from sweeps.trial.trial import Outcome, Status, Trial

MAX_REFUSED_IN_A_ROW = 1_000
MAX_GRID_CELLS = 10_000  # up to here the unseen cells of a finite space are listed instead of drawn
REPEATS_ALLOWED = 3  # duplicates in a row before a cell is chosen from those not seen
RETRIES_OF_A_CELL = 3


class NothingFits(Exception):
    """The sampler found nothing within the constraints in `MAX_REFUSED_IN_A_ROW` draws."""


@dataclass(frozen=True)
class Proposal:
    """A configuration to train: its trial in the storage, the searched `parameters`, and what the gate found."""

    number: int
    parameters: Mapping[str, Any]
    assessment: Feasibility


class Sampler:
    """Proposes configurations of one study. All it knows it reads from the storage: a restart loses nothing."""

    def __init__(
        self, study: Study, ledger: StageStorage, gate: ConstraintGate, on_refused: Callable[[Trial], None]
    ) -> None:
        self._study = study
        self._space: Space = study.space
        self._ledger = ledger
        self._gate = gate
        self._on_refused = on_refused
        self._seen: set[str] = set()
        self._failures: dict[str, int] = {}
        self._refused = 0
        for trial in ledger.trials():
            self._remember(trial.parameters, trial.status)

    @property
    def exhausted(self) -> bool:
        """Whether every configuration of a finite space has been proposed."""
        return self._space.size is not None and len(self._seen) >= self._space.size

    def enqueue(self, parameters: Mapping[str, Any]) -> None:
        """Have `parameters` proposed before anything is sampled."""
        self._ledger.optuna_study.enqueue_trial(encode(self._space, parameters))

    def propose(self) -> Proposal | None:
        """The next configuration that fits the budget and was not tried before; None when none is left.

        What the gate refuses on the way stays in the storage as REJECTED, told PRUNED with its violation, so that the
        sampler learns to keep away. Raises NothingFits.
        """
        repeats = 0
        for _ in range(MAX_REFUSED_IN_A_ROW):
            if self.exhausted:
                return None
            trial = self._ask(stuck=repeats >= REPEATS_ALLOWED)
            parameters = decode(self._space, trial.params)
            repeats += identity(parameters) in self._seen
            proposal = self._weigh(trial.number, parameters)
            if proposal is not None:
                return proposal
        raise NothingFits(f"{MAX_REFUSED_IN_A_ROW:,} configurations in a row were over the budget or tried before")

    def readopt(self, number: int, params: Mapping[str, Any]) -> Proposal | None:
        """The proposal of a trial that a dead driver left unfinished; None when it cannot or may not be trained."""
        if not self._complete(params):
            self._on_refused(self._ledger.abandon(number, "half-sampled when the driver ended"))
            return None
        return self._weigh(number, decode(self._space, params))

    def failed(self, parameters: Mapping[str, Any]) -> None:
        """Forget that `parameters` were tried: a machine failed, not the configuration. A few times only."""
        tried = identity(parameters)
        self._failures[tried] = self._failures.get(tried, 0) + 1
        if self._failures[tried] < RETRIES_OF_A_CELL:
            self._seen.discard(tried)
        else:
            self._seen.add(tried)

    def _weigh(self, number: int, parameters: Mapping[str, Any]) -> Proposal | None:
        if identity(parameters) in self._seen:
            self._on_refused(self._ledger.finish(number, Outcome(Status.DUPLICATE, "tried before")))
            return None
        self._seen.add(identity(parameters))
        assessment = self._gate.assess(parameters)
        if assessment.accepted:
            return Proposal(number, parameters, assessment)
        self._refused += 1
        self._on_refused(self._ledger.reject(number, assessment))
        return None

    def _remember(self, parameters: Mapping[str, Any], status: Status) -> None:
        if status is Status.FAILED:
            self.failed(parameters)
        elif status not in (Status.RUNNING, Status.ABANDONED, Status.DUPLICATE):
            self._seen.add(identity(parameters))
            self._refused += status is Status.REJECTED

    def _complete(self, params: Mapping[str, Any]) -> bool:
        chosen: dict[str, Any] = {}
        for dimension in self._space.dimensions:
            if self._space.active(dimension, chosen):
                if dimension.key not in params:
                    return False
                chosen[dimension.key] = decode_value(dimension, params[dimension.key])
        return True

    def _ask(self, stuck: bool) -> optuna.Trial:
        """A trial of the sampler's choice, or of a cell not seen yet in a grid and where the sampler repeats itself."""
        study = self._ledger.optuna_study
        listed = stuck and (self._space.size or math.inf) <= MAX_GRID_CELLS
        # A driver may have been killed between enqueueing and asking: then a cell waits already.
        if (listed or self._study.method == "grid") and not self._ledger.waiting():
            self.enqueue(self._unseen_cell())
        study.sampler = self._optuna_sampler(self._ledger.next_number())
        with self._ledger.together():
            trial = study.ask()
            self._suggest(trial)
        return trial

    def _suggest(self, trial: optuna.Trial) -> None:
        chosen: dict[str, Any] = {}
        for dimension in self._space.dimensions:
            if self._space.active(dimension, chosen):
                raw = _suggest(trial, dimension.key, distribution(dimension))
                chosen[dimension.key] = decode_value(dimension, raw)

    def _unseen_cell(self) -> dict[str, Any]:
        """In grid order for a grid, cells that failed before last; otherwise any: order favours the first values."""
        unseen = (cell for cell in self._space.grid() if identity(cell) not in self._seen)
        if self._study.method == "grid":
            return min(unseen, key=lambda cell: self._failures.get(identity(cell), 0))
        return random.Random(stream(self._study.seed, "cell", self._ledger.next_number())).choice(list(unseen))

    def _optuna_sampler(self, number: int) -> BaseSampler:
        # Seeded by the trial's number: after a restart a fixed seed would draw the same again (optuna #3255).
        seed = stream(self._study.seed, "sampler", number) % 2**32
        if self._study.method != "bayes":
            return RandomSampler(seed=seed)
        # Rejected trials have no metric and would use up the random start; beyond three times its length they tell
        # the sampler, which learns from violations too, more than blind draws do.
        startup = min(10, max(3, self._study.run_cap // 3))
        startup += min(self._refused, 2 * startup)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return Tpe(
                self._ledger.optuna_study.sampler,
                seed=seed,
                n_startup_trials=startup,
                multivariate=True,
                constant_liar=True,
                group=any(dimension.when for dimension in self._space.dimensions),
            )


def _suggest(trial: optuna.Trial, key: str, kind: BaseDistribution) -> Any:
    if isinstance(kind, CategoricalDistribution):
        return trial.suggest_categorical(key, kind.choices)
    if isinstance(kind, IntDistribution):
        return trial.suggest_int(key, kind.low, kind.high, step=kind.step, log=kind.log)
    assert isinstance(kind, FloatDistribution)
    return trial.suggest_float(key, kind.low, kind.high, step=kind.step, log=kind.log)
