"""Counts of what a host asks of a device."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field

PRODUCT = ("cifar_sweep", "sweeps")


@dataclass
class Log:
    """Counts of operators, waits and copies.

    Attributes:
        operators: Launches, by operator. A fused or foreach operator counts as one, a replayed graph too; views and
            allocations are none. How many kernels a GPU runs for an operator is not known here.
        waits: How often the host waited for the device, by reason and place in the product.
        copies: Copies between host and device, by direction: `to_device`, `to_host`; with `_async` where the host did
            not wait.
        copied_bytes: Their bytes.
        calls: Calls of `torch.cuda` worth counting, by name.
    """

    operators: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    copies: Counter[str] = field(default_factory=Counter)
    copied_bytes: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def launches(self) -> int:
        """The number of launched operators."""
        return self.operators.total()

    def minus(self, other: Log) -> Log:
        """Return the counts of this log beyond those of another."""
        fields = ("operators", "waits", "copies", "copied_bytes", "calls")
        return Log(*(_difference(getattr(self, name), getattr(other, name)) for name in fields))


def product_place() -> str:
    """Return the innermost place of the product on the stack, as "cifar_sweep.train:63"; "?" where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in PRODUCT:
            return f"{module}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def _difference(counts: Counter[str], less: Counter[str]) -> Counter[str]:
    left = Counter(counts)
    left.subtract(less)
    return Counter({name: count for name, count in left.items() if count})
