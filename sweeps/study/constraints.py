"""Upper limits on the cost of a model, checked before it is trained."""

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
    """An upper limit on one quantity, `quantity <= limit`.

    Attributes:
        quantity: One of `QUANTITIES`. `macs` are the multiply-accumulates of one example's forward pass.
        limit: The largest allowed value, from 1 to below 10^18.
        relation: Always "<=".
    """

    quantity: str
    limit: int
    relation: str = "<="

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Parse a constraint.

        Args:
            text: A quantity, "<=" or "<", and a whole number, in any of the notations 5_000_000, 5e6 and 5M
                (suffixes k, M, G and B). "< 10" means "<= 9".

        Raises:
            ValueError: With the rule that `text` breaks.

        Example:
            >>> str(Constraint.parse("macs < 2.5G"))
            'macs <= 2_499_999_999'
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
        """Return how far `cost` exceeds the limit, as a fraction of the limit.

        Args:
            cost: Counts by quantity.

        Returns:
            Above 0 where the constraint is violated, otherwise 0 or less.

        Raises:
            KeyError: `cost` does not have the quantity.
        """
        return (cost[self.quantity] - self.limit) / self.limit


def _whole(number: str, suffix: str) -> int:
    """Return the number with its suffix as an integer. Raises ValueError for a fraction."""
    try:
        # Decimal, because as a float 4.1M is 4099999.9999999995, which is not whole.
        value = Decimal(number.replace("_", "")) * _SCALE[suffix.lower()]
    except InvalidOperation:
        raise ValueError(f"{number!r} is not a number") from None
    if value != int(value):
        raise ValueError(f"a limit is a whole number but got {number}{suffix}")
    return int(value)
