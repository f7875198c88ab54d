"""Error rates and coverage on simulated studies: a short form of benchmarks/calibration."""

from __future__ import annotations

import pytest

from benchmarks.calibration.check import Check
from benchmarks.calibration.simulations import calibrate, table


def test_every_promise_holds_within_three_standard_errors() -> None:
    checks = calibrate(studies=400, seed=0)
    broken = [(check.name, check.setting, check.rate) for check in checks if not check.holds]
    assert not broken
    kinds = {check.name for check in checks if check.promise}
    assert kinds == {
        *("family-wise error", "coverage, fixed n", "coverage, Stein", "power", "equivalence error"),
        "false claims, anytime",
    }
    assert "| coverage, Stein | 5 |" in table(checks, 0)


@pytest.mark.parametrize(("rate", "holds"), [(0.05, True), (0.058, True), (0.0635, False), (0.0, True)])
def test_a_rate_is_judged_against_its_bound(rate: float, holds: bool) -> None:
    assert Check("family-wise error", "", 5000, rate, "at most 5 %", high=0.05).holds is holds


def test_without_a_promise_nothing_is_judged() -> None:
    assert Check("family-wise error", "lognormal", 5000, 0.4, "").holds
