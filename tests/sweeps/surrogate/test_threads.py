"""The surrogate leaves the other cores to the trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sweeps.space.space import Numeric, Space
from sweeps.surrogate.observed import Observed
from sweeps.surrogate.proposer import Proposer


def test_a_proposal_takes_one_core_and_leaves_the_setting_as_it_was() -> None:
    space = Space.of([Numeric(key="x", low=0.0, high=1.0)], {})
    trials = [Observed({"x": place / 8}, {1: place / 8, 2: place / 8}) for place in range(8)]
    seen: list[int] = []

    def accepts(parameters: Mapping[str, Any]) -> bool:
        seen.extend(_threads())
        return True

    with threadpool_limits(limits=2, user_api="blas"):
        before = _threads()
        Proposer(space, 2, "maximize", 0).propose(trials, 8, accepts, lambda parameters: 1.0)
        assert _threads() == before
    assert set(seen) == {1}
    if set(before) != {2}:
        pytest.skip("this BLAS has one thread only, whatever it is asked for")


def _threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
