"""Studies and results built from frozen trials, without training."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sweeps.report import Importance
from sweeps.storage.results import Results
from sweeps.study.study import Study
from sweeps.trial.trial import Status, Trial

from .browsing import Tab, browser_tab

BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EPOCHS = 9
BASELINE = {"optimizer": {"lr": 0.05, "name": "sgd", "momentum": 0.9}, "model": {"blocks": [1, 1]}, "epochs": EPOCHS}
ENVIRONMENT = {
    "command": "sweep run studies/budget.yaml",
    "versions": {"python": "3.11.9", "torch": "2.8.0"},
    "data": {"name": "digits", "fingerprint": "sha256:ab12", "split": "cd34"},
    "code": {"git": "0123abcd", "uncommitted_changes": False},
    "device": "cpu",
    "started": "2026-03-01T09:00:00+00:00",
    "updated": "2026-03-01T10:00:00+00:00",
}


def study_of(**changes: Any) -> Study:
    """Return the study of these tests with changed sections; None removes a section."""
    data: dict[str, Any] = {
        "name": "budget_demo",
        "question": "Which small net under 100,000 parameters is best on digits?",
        "workload": "tests.none",
        "baseline": BASELINE,
        "constraints": ["parameters <= 100_000"],
        "method": "bayes",
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "run_cap": 24,
        "parameters": {
            "optimizer.lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.5},
            "optimizer.name": {"values": ["sgd", "adamw"]},
            "optimizer.momentum": {"min": 0.8, "max": 0.99, "when": {"optimizer.name": "sgd"}},
            "model.blocks": {"values": [[1, 1], [2, 1], [2, 2]]},
        },
        "early_terminate": {"type": "asha", "min_iter": 1, "max_iter": EPOCHS, "eta": 3},
    }
    data |= changes
    return Study.model_validate({key: value for key, value in data.items() if value is not None})


def trial_of(number: int, status: Status = Status.COMPLETE, **facts: Any) -> Trial:
    """Return a trial that took a minute per epoch."""
    curve: Mapping[int, float] = facts.pop("curve", {1: 50.0, 2: 60.0})
    began = BEGAN + timedelta(minutes=3 * number)
    never = status in (Status.REJECTED, Status.DUPLICATE, Status.ABANDONED)
    ended = None if never or status is Status.RUNNING else began + timedelta(minutes=len(curve))
    given: dict[str, Any] = {
        "parameters": {"optimizer.lr": 0.01, "optimizer.name": "adamw", "model.blocks": [1, 1]},
        "curve": {} if never else curve,
        "value": curve[max(curve)] if status is Status.COMPLETE else None,
        "cost": {"parameters": 60_000 + number, "trainable_parameters": 60_000 + number, "macs": 1_000_000 + number},
        "seconds": 0.0 if never else 60.0 * len(curve),
        "seed": number,
        "started": None if never else began,
        "finished": ended,
    }
    return Trial(number=number, stage="search", status=status, **(given | facts))


def search() -> tuple[Trial, ...]:
    """Return the trials of a search: the baseline, then 40 trials of every status, the same at every call."""
    draw = random.Random(5)
    kinds = [Status.COMPLETE] * 3 + [Status.PRUNED] * 4 + [Status.REJECTED] * 2 + [Status.DIVERGED]
    first = {"optimizer.lr": 0.05, "optimizer.name": "sgd", "optimizer.momentum": 0.9, "model.blocks": [1, 1]}
    trials = [trial_of(0, parameters=first, curve=_curve(0.05, EPOCHS), cost=_cost([1, 1]))]
    trials += [_drawn(number, draw.choice(kinds), draw) for number in range(1, 40)]
    trials.append(trial_of(40, Status.FAILED, curve={1: 41.0}, reason="RayActorError: the worker died"))
    return tuple(trials)


def _drawn(number: int, status: Status, draw: random.Random) -> Trial:
    rate, name = 10 ** draw.uniform(-3, -0.3), draw.choice(["sgd", "adamw"])
    blocks = [2, 2] if status is Status.REJECTED else draw.choice([[1, 1], [2, 1]])
    momentum = {"optimizer.momentum": draw.uniform(0.8, 0.99)} if name == "sgd" else {}
    length = {Status.PRUNED: draw.choice([1, 3]), Status.DIVERGED: 2}.get(status, EPOCHS)
    curve = _curve(rate, length) if status is not Status.DIVERGED else {1: 20.0, 2: math.nan}
    cost = _cost(blocks)
    reasons = {
        Status.PRUNED: f"behind at the rung of epoch {length}",
        Status.REJECTED: f"{cost['parameters']:,} parameters, over the limit of 100,000",
        Status.DIVERGED: "val_loss was nan in epoch 2",
    }
    parameters = {"optimizer.lr": rate, "optimizer.name": name, **momentum, "model.blocks": blocks}
    return trial_of(number, status, parameters=parameters, curve=curve, cost=cost, reason=reasons.get(status, ""))


def _curve(rate: float, length: int) -> dict[int, float]:
    top = 98 - 6 * (math.log10(rate) + 1.6) ** 2
    return {epoch: top * (1 - 0.6 * math.exp(-0.8 * epoch)) for epoch in range(1, length + 1)}


def _cost(blocks: list[int]) -> dict[str, int]:
    parameters = {2: 38_412, 3: 76_202, 4: 152_330}[sum(blocks)]
    return {"parameters": parameters, "trainable_parameters": parameters, "macs": 40 * parameters}


@pytest.fixture
def make_results(tmp_path: Path) -> Callable[..., Results]:
    """A function that returns results of trials, for `study_of` with changes."""

    def make(*trials: Trial, environment: Mapping[str, Any] = ENVIRONMENT, **changes: Any) -> Results:
        return Results(study_of(**changes), trials, environment, tmp_path)

    return make


@pytest.fixture
def results(make_results: Callable[..., Results]) -> Results:
    """The results of a complete search."""
    return make_results(*search())


@pytest.fixture
def importance() -> Importance:
    """Made-up importances."""
    means = {"optimizer.lr": 0.62, "model.blocks": 0.25, "optimizer.name": 0.13}
    deviations = {"optimizer.lr": 0.08, "model.blocks": 0.07, "optimizer.name": 0.04}
    return Importance("PED-ANOVA on the metric after 9 epochs", means, deviations, trials=14)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A tab of a browser that the tests of a module share."""
    with browser_tab(tmp_path_factory.mktemp("profile")) as tab:
        yield tab
