"""Make one search in this process and print its result as a line of JSON.

python -m benchmarks.search_real.one engine|stock PROBLEM --workers 1 --seed 0 --trainings 8 --data-dir DATA
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from benchmarks.search_real.searched import Found, Task


def main() -> None:
    """Do what the command line says."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("what", choices=("engine", "stock"))
    options.add_argument("problem")
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--trainings", type=float, required=True)
    options.add_argument("--core", type=int, help="the only core to use")
    options.add_argument("--data-dir", type=Path, required=True)
    chosen = options.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    with tempfile.TemporaryDirectory(prefix="search-real-") as folder:
        place = chosen.data_dir.absolute(), Path(folder)
        task = Task(chosen.problem, chosen.workers, chosen.seed, chosen.trainings, *place)
        print(json.dumps(_search(chosen.what, task)))


def _search(what: str, task: Task) -> Found:
    if what == "engine":
        from benchmarks.search_real.engine import search
    else:
        from benchmarks.search_real.stock import search
    return search(task)


if __name__ == "__main__":
    main()
