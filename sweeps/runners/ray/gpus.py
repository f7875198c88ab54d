"""Print the number of GPUs of a Ray cluster: `python -m sweeps.runners.ray.gpus ADDRESS`."""

from __future__ import annotations

import sys

import ray

from sweeps.runners.ray.cluster import connect

if __name__ == "__main__":
    connect(sys.argv[1])
    total = ray.cluster_resources()  # type: ignore[no-untyped-call]
    sys.stdout.write(f"\n{int(total.get('GPU', 0))}\n")
