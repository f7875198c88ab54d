"""Limits on what a model may cost, checked before it is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sweeps.io.errors import unknown
from sweeps.io.paths import shown

QUANTITIES = ("parameters", "trainable_parameters", "macs")
_SCALE = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
_FORM = re.compile(r"\s*(\w+)\s*(<=|<|>=|>|==|=)\s*([0-9][0-9_.]*(?:[eE]\+?[0-9]{1,2})?)\s*([kKmMgGbB]?)\s*")


@dataclass(frozen=True)
class Constraint:
    """`quantity <= limit`. `macs` are multiply-accumulates of one example's forward pass."""

    quantity: str
    limit: int
    relation: str = "<="

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """A constraint from "parameters <= 5_000_000", "macs <= 250M" or "parameters < 5e6" (below is: at most 1 less).

        Raises ValueError with the rule.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"must read like 'parameters <= 5_000_000' or 'macs <= 250M' but got {shown(text)}")
        quantity, relation, number, suffix = match.groups()
        if quantity not in QUANTITIES:
            raise ValueError(unknown("quantity", quantity, QUANTITIES))
        if relation not in ("<=", "<"):
            raise ValueError(f"a constraint is an upper limit: write '<=', not {relation!r}")
        limit = _whole(number, suffix) - (relation == "<")
        if not 1 <= limit < 10**18:
            raise ValueError(f"a limit is between 1 and 10^18 but got {shown(text)}")
        return cls(quantity, limit)

    def __str__(self) -> str:
        return f"{self.quantity} {self.relation} {self.limit:_}"

    def violation(self, cost: Mapping[str, int]) -> float:
        """How far `cost` is over the limit, as a fraction of the limit; zero or less is within. Raises KeyError."""
        return (cost[self.quantity] - self.limit) / self.limit


def _whole(number: str, suffix: str) -> int:
    try:
        value = Decimal(number.replace("_", "")) * _SCALE[suffix.lower()]
    except InvalidOperation:
        raise ValueError(f"{number!r} is not a number") from None
    if value != int(value):
        raise ValueError(f"a limit is a whole number but got {number}{suffix}")
    return int(value)
