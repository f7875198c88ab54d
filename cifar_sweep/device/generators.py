"""Keep torch's global random generators as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def forked_generators(device: torch.device) -> Iterator[None]:
    """Restore, on leaving, the global generators of the CPU and of a device.

    Without a list of devices torch would set up every GPU of the machine and warn of that.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield
