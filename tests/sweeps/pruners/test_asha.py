"""ASHA decides as Ray's ASHAScheduler, from the recorded curves alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sweeps.pruners.asha import Asha
from tests.sweeps.pruners.replay import Decisions, History, ours, rays

HISTORIES = 1000


def random_history(generator: np.random.Generator) -> tuple[Asha, History]:
    """A scheduler and results in the order in which they arrive: (trial, value); a trial's n-th result is epoch n."""
    min_iter = int(generator.integers(1, 4))
    max_iter = min_iter + int(generator.integers(1, 30))
    asha = Asha(
        min_iter, max_iter, float(generator.choice([2, 3, 4, 2.5])), str(generator.choice(["maximize", "minimize"]))
    )
    arrivals = np.repeat(np.arange(int(generator.integers(2, 12))), max_iter)
    generator.shuffle(arrivals)
    digits = int(generator.choice([0, 1, 6]))  # few digits make ties
    return asha, [(int(trial), round(float(generator.normal()), digits)) for trial in arrivals]


def ray_decisions(asha: Asha, history: History) -> Decisions:
    """The decisions of Ray's scheduler for each result of a trial that still runs: (trial, epoch, stopped)."""
    from ray.tune.schedulers import ASHAScheduler

    mode = "max" if asha.goal == "maximize" else "min"
    scheduler = ASHAScheduler(
        time_attr="epoch", metric="value", mode=mode,
        grace_period=asha.min_iter, max_t=asha.max_iter, reduction_factor=asha.eta,
    )  # fmt: skip
    trials = {number: SimpleNamespace(trial_id=str(number)) for number, _ in history}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    return rays(scheduler, trials, asha.max_iter, history)


def test_decides_as_rays_asha_on_random_histories() -> None:
    pruned = 0
    for seed in range(HISTORIES):
        asha, history = random_history(np.random.default_rng(seed))
        decided = ours(asha, history)
        assert decided == ray_decisions(asha, history), (seed, asha)
        pruned += sum(stopped for _, _, stopped in decided)
    assert pruned > HISTORIES  # the comparison is about something


@pytest.mark.parametrize(
    ("asha", "rungs"),
    [
        (Asha(1, 9, 3, "maximize"), (1, 3, 9)),
        (Asha(2, 30, 3, "maximize"), (2, 6, 18)),
        (Asha(1, 10, 2, "maximize"), (1, 2, 4, 8)),
        (Asha(4, 5, 4, "maximize"), (4,)),
    ],
)
def test_rungs_are_powers_of_eta_up_to_max_iter(asha: Asha, rungs: tuple[float, ...]) -> None:
    assert asha.rungs == rungs


def test_first_trial_at_a_rung_goes_on() -> None:
    assert not Asha(1, 9, 3, "maximize").behind({1: 0.0}, [{}])


def test_last_epoch_never_stops_a_trial() -> None:
    better = [{9: 100.0}] * 5
    assert not Asha(1, 9, 3, "maximize").behind(dict.fromkeys(range(1, 10), 0.0), better)


def test_minimize_stops_the_larger_value() -> None:
    others = [{1: 1.0}, {1: 2.0}, {1: 3.0}]
    assert Asha(1, 9, 3, "minimize").behind({1: 5.0}, others)
    assert not Asha(1, 9, 3, "minimize").behind({1: 0.5}, others)
