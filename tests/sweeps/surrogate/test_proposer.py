"""What the surrogate proposes."""

from __future__ import annotations

import json

from sweeps.space.space import Categorical, Numeric, Space
from sweeps.surrogate.observed import Observed, Proposal
from sweeps.surrogate.proposer import Proposer

SPACE = Space.of(
    [
        Numeric(key="lr", low=1e-4, high=1.0, log=True),
        Numeric(key="depth", low=1, high=8, integer=True),
        Categorical(key="optimizer", values=("sgd", "adam", "lion")),
        Numeric(key="momentum", low=0.0, high=1.0, when={"optimizer": ("sgd",)}),
        Categorical(key="widths", values=([1, 2], [2, 4], [3, 3])),
    ],
    {},
)


def propose(trials: list[Observed], state: object = None, seed: int = 0) -> Proposal:
    """A proposal of a fresh proposer, as after a restart."""
    return Proposer(SPACE, 27, "maximize", seed).propose(trials, len(trials), lambda _: True, lambda _: 1.0, state)


def searched(count: int) -> tuple[list[Observed], Proposal]:
    """The trials of a search, every third trained to the end, and the last proposal."""
    trials: list[Observed] = []
    state = None
    for number in range(count):
        proposal = propose(trials, state)
        state = proposal.state
        value = proposal.parameters["depth"] / 8 - abs(proposal.parameters["lr"] - 0.1)
        last = 27 if number % 3 == 0 else 2
        trials.append(Observed(proposal.parameters, {epoch: value - 1 / epoch for epoch in range(1, last + 1)}))
    return trials, proposal


def test_restart_makes_the_same_proposal() -> None:
    trials, last = searched(10)
    state = json.loads(json.dumps(last.state))
    assert propose(trials, state) == propose(trials, state)
    assert propose(trials, state) != propose(trials, state, seed=1)


def test_all_proposals_are_configurations_and_none_comes_twice() -> None:
    trials, _ = searched(30)
    assert all(SPACE.contains(trial.parameters) for trial in trials)
    assert len({json.dumps(trial.parameters) for trial in trials}) == 30
