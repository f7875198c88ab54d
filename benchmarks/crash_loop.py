"""Kill drivers with SIGKILL, resume them and check the study: everything acknowledged must be there, once.

    python -m benchmarks.crash_loop [--kills 1000] [--jobs 2] [--out benchmarks/results/crash_loop_inline]
    python -m benchmarks.crash_loop --runner ray [--kills 50] [--out benchmarks/results/crash_loop_ray]

Inline: a study of the toy workload with every stage (a search with a limit of parameters, confirm, ablation, final) is
run by `sweep run --runner inline` in a process group of its own, which is killed by SIGKILL at a random moment; then
the same command is given again. Studies save their states in three ways by turns: waited for, and beside the training
with `checkpoint_every: 0` or the default. They search in four ways by turns: three pause and promote (the surrogate
with ASHA, TPE with Hyperband, at random with ASHA), one stops its trials (TPE with ASHA). Ray: real training of small
nets on handwritten digits by two workers, whose trials pause; seven of ten kills are the driver's, the others take a
worker, the raylet or Ray's server away from it.

After every kill and at the end, the workload's progress log and the drivers' output are compared with the storage and
with every file beside it. Every trial of a complete study is trained again without interruption, and must give equal
figures, bit for bit; its search, inline, must be that of a driver that nobody kills. tests/faults/audit.py and
tests/faults/paused.py have the checks.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from optuna import __version__ as optuna_version

from benchmarks.common import write_result
from sweeps.prepare.environment import describe
from tests.faults.audit import Tally
from tests.faults.fork_server import ForkServer
from tests.faults.loop import crash_loop, uninterrupted_s
from tests.faults.ray_loop import LONGEST_S, RayTally, ray_loop
from tests.faults.ray_study import RayStudy

BROKEN = (
    "Broken would be: a finished trial lost, changed or run again; more epochs of a running trial made again after a "
    "kill than its way of saving allows; a repetition with other figures; `run_cap` not met exactly; a curve, a record "
    "or a line on screen that does not agree with the storage; the test set opened twice; a trial whose figures differ "
    "from an unbroken training of it; a decision on record that changed; a paused trial without the checkpoint that a "
    "promotion may want; an inline search that decided otherwise than an unbroken one"
)
WAYS = (
    "One study of three saves each epoch before the next begins (a kill repeats an epoch at most), one each epoch "
    "beside the training with `checkpoint_every: 0` (two), one as by default, every 30 s, which none of its trials "
    "lasts (all of a trial's)."
)
RAY_WAYS = "Studies save each epoch beside the training (a kill repeats two at most) and every 30 s, by turns."
MOMENTS = "Three of four moments are drawn evenly from the first third of the seconds that an unbroken driver takes"


def inline(kills: int, jobs: int, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Kill inline drivers in `jobs` parallel loops; return the result."""
    began = time.monotonic()
    shares = [kills // jobs + (job < kills % jobs) for job in range(jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        loops = pool.map(lambda job: _loop(shares[job], seed + job, seconds, folder / str(job)), range(jobs))
        spans, tallies = zip(*loops, strict=True)
    result = {"runner": "inline", "jobs": jobs, "seeds": [seed + job for job in range(jobs)]}
    return {**result, "unbroken_s": spans, **_machine(began), **vars(reduce(add, tallies))}


def through_ray(kills: int, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Kill drivers that train through Ray, and processes of their Ray; return the result."""
    began = time.monotonic()
    study = RayStudy(folder / "unbroken", 0, RayTally())
    with study.start() as driver:
        assert driver.wait(LONGEST_S) == 0, study.audit.output()
        span_s = time.monotonic() - began
    study.check_complete()
    tally = ray_loop(folder, kills, span_s, seed, seconds, _report)
    blows = [vars(blow) for blow in tally.blows]
    return {"runner": "ray", "seeds": [seed], "unbroken_s": [span_s], **_machine(began), **vars(tally), "blows": blows}


def _loop(kills: int, seed: int, seconds: float, folder: Path) -> tuple[float, Tally]:
    with ForkServer() as fork_server:
        span_s = uninterrupted_s(fork_server, folder / "unbroken")
        return span_s, crash_loop(fork_server, folder, kills, span_s, seed, seconds, _report)


def _report(tally: Tally) -> None:
    print(f"{tally.kills} kills, {tally.studies} studies, broken: {tally.broken}", file=sys.stderr)


def _machine(began: float) -> dict[str, Any]:
    cores, seconds = len(os.sched_getaffinity(0)), round(time.monotonic() - began)
    revision = str(describe()["code"].get("git", ""))[:9]
    versions = {"python": platform.python_version(), "optuna": optuna_version}
    return {"revision": revision, "cores": cores, **versions, "wall_s": seconds}


def text(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    met = ", ".join(f"{place} {times}" for place, times in sorted(result["met"].items(), key=lambda item: -item[1]))
    rows = {
        "kills by SIGKILL": result["kills"],
        "drivers started": result["drivers"],
        "studies brought to their end": result["studies"],
        "trials and runs in them": result["finished_trials"],
        "epochs in them": result["epochs"],
        "promises broken": len(result["broken"]),
        "epochs repeated, with equal figures": result["repeated_epochs"],
        "evaluations repeated, with equal figures": result["repeated_evaluations"],
        "records that the next start wrote": result["records_written_later"],
        "temporary files left": result["leftover_files"],
    }
    how = _through_ray(result) if result["runner"] == "ray" else _inline(result)
    lines = [
        f"Drivers of the {result['runner']} runner killed at random moments. {BROKEN}.",
        "",
        "| | |",
        "| --- | ---: |",
        *(f"| {name} | {value:,} |" for name, value in rows.items()),
        "",
        f"Where the kills of drivers fell: {met}.",
        "",
        *how,
        "",
        f"{result['wall_s']:,} s on {result['cores']} shared cores, Python {result['python']}, Optuna "
        f"{result['optuna']}, revision {result['revision'] or 'unknown'}.",
    ]
    return "\n".join([*lines, *(f"\nBroken: {each}" for each in result["broken"])]) + "\n"


def _inline(result: Mapping[str, Any]) -> list[str]:
    spans = " and ".join(f"{seconds:.1f}" for seconds in result["unbroken_s"])
    return [
        f"{MOMENTS} ({spans}), the fourth from all of them. Drivers are forked from a process that has imported the "
        f"libraries and run one study to its end, so that a start costs no imports: what an interpreter does before "
        f"that is not met here. Folders in memory (tmpfs): a kill is not a loss of power. {result['jobs']} loops side "
        f"by side. {WAYS}",
    ]


def _through_ray(result: Mapping[str, Any]) -> list[str]:
    gone = result["gone_s"]
    within = f"median {statistics.median(gone):.1f} s, at most {max(gone):.1f} s" if gone else "none was killed"
    blows = [
        f"| {blow['target']} | {blow['seconds']:.0f} | {blow['code']} | {'yes' if blow['traceback'] else 'no'} |"
        for blow in sorted(result["blows"], key=lambda blow: (blow["target"], blow["seconds"]))
    ]
    return [
        f"Every driver is a process of its own, `python -m sweeps run`. One of four moments is drawn evenly from the "
        f"first half of the seconds that an unbroken one takes ({result['unbroken_s'][0]:.0f}), when Ray and the "
        f"workers come up; the others from as many seconds after a trial has started. After the kill of a driver, "
        f"nothing of it was left within: {within} ({len(gone)} drivers). {RAY_WAYS}",
        "",
        "Of the drivers that a process of their Ray was taken away from:",
        "",
        "| what was killed | seconds to the driver's end | exit code | traceback |",
        "| --- | ---: | ---: | --- |",
        *blows,
    ]


def main() -> None:
    """Run the loop and write the result."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runner", choices=("inline", "ray"), default="inline")
    options.add_argument("--kills", type=int, help="1000 inline, 50 through Ray unless given")
    options.add_argument("--jobs", type=int, default=2, help="loops side by side, inline")
    options.add_argument("--minutes", type=float, default=math.inf, help="begin no further study after so many")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="crash-loop-", dir=memory if memory.is_dir() else None))
    if chosen.runner == "ray":
        result = through_ray(chosen.kills or 50, chosen.seed, 60 * chosen.minutes, folder)
    else:
        result = inline(chosen.kills or 1000, chosen.jobs, chosen.seed, 60 * chosen.minutes, folder)
    write_result(result, text(result), chosen.out)
    if result["broken"]:
        raise SystemExit(f"{len(result['broken'])} promises broken; the folders are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
