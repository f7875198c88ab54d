"""sweeps.trial.seeds."""

from __future__ import annotations

import hashlib


def stream(seed: int, *path: object) -> int:
    """A seed in [0, 2**63) for one purpose: streams of different `path` are disjoint, equal paths give equal seeds."""
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
