"""Search with real trainings at a budget of 8 full ones: the engine, and a stock Ray Tune script with the same trainer.

    python -m benchmarks.search_real --data-dir DATA [--seeds 10] --out benchmarks/results/search_real
    python -m benchmarks.search_real --short

Two problems, digits and cifar10_mini, whose configurations were all trained fully once (benchmarks/tabulate.py). A
configuration that is proposed trains as the nearest one of the table, so the regret of what a search hands over is
known. An epoch costs both sides the device-seconds that the table has for it, so that both may train the same whatever
else the machine does; the seconds that it took are measured. The engine runs its defaults (`method: bayes`,
`early_terminate: {type: asha}`), inline with one worker and through Ray with two; the script has OptunaSearch,
ASHAScheduler and a function.

With one worker, both sides of a seed run at the same time, each with everything on a core of its own, alternating; with
two, one after the other in alternating order. Each search is added to OUT.jsonl when it has ended, and none that is
there is repeated. --short: the engine alone, one search of digits with a smaller budget.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import machine, machine_line, options, require_quiet, write_result
from benchmarks.search_real.summary import SIDES, text

PROBLEMS = ("digits", "cifar10_mini")
WORKERS = (1, 2)
TRAININGS, SHORT_TRAININGS = 8.0, 2.0
LONGEST_S = 900

Record = dict[str, Any]
KEYS = ("what", "problem", "workers", "seed")


class Records:
    """The results so far, each kept in a file as soon as it is known.

    Args:
        file: The file, with a line of JSON for each result; None keeps nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file is not None and file.exists() else []
        self.all: list[Record] = [json.loads(line) for line in lines]

    def find(self, **keys: Any) -> Record | None:
        """Return the record with these values."""
        return next((each for each in self.all if all(each.get(key) == value for key, value in keys.items())), None)

    def add(self, record: Record) -> None:
        """Keep a record."""
        self.all.append(record)
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")


def start(record: Record, trainings: float, data_dir: Path, core: int | None) -> subprocess.Popen[str]:
    """Start the process of a search."""
    words = [record["what"], record["problem"], "--data-dir", str(data_dir)]
    words += [f"--workers={record['workers']}", f"--seed={record['seed']}", f"--trainings={trainings}"]
    words += [f"--core={core}"] if core is not None else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    command = [sys.executable, "-m", "benchmarks.search_real.one", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Record:
    """Return what a process has printed."""
    printed, errors = process.communicate(timeout=LONGEST_S)
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, process.args))}: {errors[-3000:]}")  # type: ignore[arg-type]
    result: Record = json.loads(printed.splitlines()[-1])
    return result


def run_at_once(
    wanted: Sequence[Record], cores: Sequence[int | None], trainings: float, data_dir: Path
) -> list[Record]:
    """Make searches at the same time, each on its core; return their records completed."""
    processes = [start(record, trainings, data_dir, core) for record, core in zip(wanted, cores, strict=True)]
    return [{**record, **finish(process)} for record, process in zip(wanted, processes, strict=True)]


def searches(seeds: int) -> Iterator[list[Record]]:
    """Yield the searches that run at once, seed by seed: with one worker both sides, with two each by itself."""
    for seed in range(seeds):
        order = SIDES if seed % 2 == 0 else SIDES[::-1]
        for problem, workers in itertools.product(PROBLEMS, WORKERS):
            sides = [{"what": side, "problem": problem, "workers": workers, "seed": seed} for side in order]
            yield from [sides] if workers == 1 else [[side] for side in sides]


def compare(seeds: int, records: Records, data_dir: Path) -> None:
    """Make all searches that are not in the records yet."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    for wanted in searches(seeds):
        if all(records.find(**record) for record in wanted):
            continue  # a pair is only comparable if both have run at once
        for record in run_at_once(wanted, cores if len(wanted) > 1 else [None], TRAININGS, data_dir):
            records.add(record)
            shown = " ".join(str(record[key]) for key in KEYS)
            print(f"{shown}: regret {record['regret']:.2f}, {record['wall_s']:.1f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Make the searches and write the comparison."""
    parser = options(__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data-dir", type=Path, help="the folder with CIFAR-10")
    parser.add_argument("--short", action="store_true", help="one search of digits with the engine")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="search-real-data-") as scratch:
        if chosen.short:
            wanted = {"what": "engine", "problem": "digits", "workers": 1, "seed": 0}
            print(json.dumps(run_at_once([wanted], [None], SHORT_TRAININGS, Path(scratch))[0]))
            return
        if chosen.data_dir is None:
            parser.error("--data-dir is required: the folder with CIFAR-10")
        busy = require_quiet(chosen.loaded)
        records = Records(chosen.out.with_suffix(".jsonl") if chosen.out else None)
        compare(chosen.seeds, records, chosen.data_dir)
    result = {
        "trainings": TRAININGS,
        "seeds": chosen.seeds,
        "machine": machine(busy, "ray", "optuna", "torch"),
        "records": records.all,
    }
    write_result(result, text(result) + "\n" + machine_line(result["machine"]) + "\n", chosen.out)


if __name__ == "__main__":
    main()
