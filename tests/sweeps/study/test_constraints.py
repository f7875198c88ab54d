from __future__ import annotations

import re

import pytest

from sweeps.study.constraints import Constraint


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("parameters <= 5_000_000", "parameters <= 5_000_000"),
        ("parameters<=5M", "parameters <= 5_000_000"),
        ("parameters <= 5e6", "parameters <= 5_000_000"),
        ("macs <= 2.5G", "macs <= 2_500_000_000"),
        ("trainable_parameters < 10k", "trainable_parameters <= 9_999"),
    ],
)
def test_limit_is_read_in_every_notation_and_round_trips(text: str, written: str) -> None:
    constraint = Constraint.parse(text)
    assert str(constraint) == written
    assert Constraint.parse(written) == constraint


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("params <= 5M", "did you mean 'parameters'?"),
        ("parameters >= 5M", "upper limit: write '<='"),
        ("parameters <= many", "must read like"),
        ("parameters <= 0", "between 1 and 10^18"),
        ("parameters <= 0.5", "whole number"),
        ("parameters <= 1.2.3", "is not a number"),
        ("parameters <= 5e99", "between 1 and 10^18"),
        ("", "must read like"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_way_out(text: str, fragment: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fragment)):
        Constraint.parse(text)


@pytest.mark.parametrize(("parameters", "violation"), [(150, 0.5), (100, 0.0), (50, -0.5)])
def test_violation_is_the_excess_as_a_fraction_of_the_limit(parameters: int, violation: float) -> None:
    assert Constraint.parse("parameters <= 100").violation({"parameters": parameters, "macs": 10**9}) == violation
