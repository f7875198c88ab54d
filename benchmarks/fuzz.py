"""Fuzz study files: each must give a study or one message, never a traceback; also the time of the slowest file.

    nice python -m benchmarks.fuzz [--files 100000] [--seed 0] [--out benchmarks/results/fuzz]

The files are those of the tests (tests/security): real studies and a small one with bytes, lines, keys and values
changed, and noise. Each is checked as by `sweep validate`. The result has the errors with their files.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import write_result
from sweeps.validation.loading import Edits, load_study
from tests.security.fuzzing import FuzzCounts, judge
from tests.security.mutations import ROOT, hostile, real_studies


def measure(files: int, seed: int) -> dict[str, Any]:
    """Judge `files` files in sequence; return the counts and the CPU seconds."""
    studies, seen, slowest = real_studies(), FuzzCounts(), (0.0, 0)
    for path in ("studies/quickstart.yaml", "examples/digits_sklearn.yaml"):
        load_study(ROOT / path, Edits())  # import their workloads before the measurement
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            content, before = hostile(random.Random(f"{seed}/{number}"), studies), time.process_time()
            judge(content, Path(folder) / "study.yaml", seen)
            slowest = max(slowest, (time.process_time() - before, number))
    return {
        "files": files,
        "seed": seed,
        "accepted": seen.accepted,
        "refused": seen.refused,
        "broken": [{"content": content.decode("latin1"), "what": what} for content, what in seen.broken],
        "cpu_s": round(time.process_time() - began, 1),
        "slowest_s": round(slowest[0], 2),
        "slowest_number": slowest[1],
    }


def table(result: dict[str, Any]) -> str:
    """Return the counts as Markdown."""
    return (
        f"{result['files']:,} hostile study files (seed {result['seed']}):\n\n"
        "| became | files |\n| --- | ---: |\n"
        f"| a study, equal when written down and read again | {result['accepted']:,} |\n"
        f"| one message | {result['refused']:,} |\n"
        f"| anything else | {len(result['broken']):,} |\n\n"
        f"{result['cpu_s']:,.0f} s on one core, {1000 * result['cpu_s'] / result['files']:.1f} ms a file; "
        f"the slowest took {result['slowest_s']:.2f} s.\n"
    )


def main() -> None:
    """Fuzz, print the counts, and exit with 1 if anything broke."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    result = measure(chosen.files, chosen.seed)
    write_result(result, table(result), chosen.out)
    for failure in result["broken"][:10]:
        print(f"\n{failure['what']}\n--- by\n{failure['content']}")
    raise SystemExit(bool(result["broken"]))


if __name__ == "__main__":
    main()
