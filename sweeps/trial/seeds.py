"""Derive the seeds of a study from its one seed."""

from __future__ import annotations

import hashlib


def stream(seed: int, *path: object) -> int:
    """Return a seed in [0, 2**63) for one purpose.

    Equal paths give equal seeds; different paths give independent ones. The seed is a hash, so it is the same on every
    machine and in every version of Python.

    Args:
        seed: The study's seed.
        path: Names the purpose, such as ("search", 7).
    """
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
