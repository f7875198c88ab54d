"""Time and memory of a growing study: ask, tell, resume, status and report at 100, 1,000 and 10,000 trials.

    python -m benchmarks.scale [--trials 100 1000 10000] [--more 20] [--out benchmarks/results/scale]

Every trial has 30 epochs of a metric, four searched settings and the files that the engine leaves.
`benchmarks.synthetic_study` writes the study without training. Then each measurement runs in its own process: a driver
that resumes the study and runs some more trials, inline, under ASHA; `sweep status`; `sweep report`. Medians, writes to
disk included: ask is the time to suggest a trial, epoch to record an epoch, tell to record the end of a trial. resume
is the time from the driver's start to its first trial.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import machine, machine_line, options, require_quiet, write_result

LIMITS = {
    "ask_s": 0.15,
    "tell_s": 0.15,
    "resume_s": 20.0,
    "status_s": 2.0,
    "report_s": 30.0,
    "report_mb": 15.0,
    "driver_mib": 600.0,
}
TITLES = {
    "ask_s": "ask, ms",
    "epoch_s": "epoch, ms",
    "tell_s": "tell, ms",
    "resume_s": "resume, s",
    "status_s": "`status`, s",
    "report_s": "`report`, s",
    "report_mb": "report, MB",
    "driver_mib": "driver, MiB",
}
BEGAN = time.perf_counter()


class Timed:
    """A scheduler that delegates to another one and records the seconds of its calls."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.began = time.perf_counter()
        self.seconds: dict[str, list[float]] = {"suggest": [], "on_epoch": [], "on_end": []}

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._scheduler, name)
        return self._timed(name, attribute) if name in self.seconds else attribute

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            result = call(*args)
            ended = "on_end" if getattr(result, "name", "") == "STOP" else name  # a trial may also end at a rung
            self.seconds[ended].append(time.perf_counter() - began)
            return result

        return timed


class Silent:
    """An observer that ignores all events."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def drive(folder: Path, trials: int) -> dict[str, float]:
    """Resume the study in `folder` up to `trials` trials, in this process; return the figures."""
    from benchmarks.synthetic_study import DATA, NAME, study_file
    from sweeps.engine import execute as engine
    from sweeps.prepare.prepared import settle
    from sweeps.runners.inline import InlineRunner
    from sweeps.storage.runs import open_results
    from sweeps.study.document import read
    from sweeps.study.stages import RunRequest, stages_of
    from sweeps.study.study import parse
    from sweeps.workload import load

    study = parse(read(study_file(folder, trials)))
    previous = open_results(folder / "runs", NAME, verified=False)
    prepared = settle(study, load(study.workload), folder / DATA, previous.environment)
    timed_schedulers: list[Timed] = []

    class Runner(InlineRunner):
        def run(self, scheduler: Any) -> None:
            timed_schedulers.append(Timed(scheduler))
            super().run(timed_schedulers[0])  # type: ignore[arg-type]

    engine.run(prepared, folder / "runs" / NAME, Runner, Silent(), RunRequest(stages_of(study)))
    seconds = timed_schedulers[0].seconds
    return {
        "resume_s": timed_schedulers[0].began - BEGAN + seconds["suggest"][0],
        "ask_s": statistics.median(seconds["suggest"][1:-1]),
        "epoch_s": statistics.median(seconds["on_epoch"]),
        "tell_s": statistics.median(seconds["on_end"]),
        "driver_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(trials: int, more: int) -> dict[str, float]:
    """Return all figures of a study of `trials` trials, to which the driver adds `more`."""
    from benchmarks.synthetic_study import NAME, write_study

    with tempfile.TemporaryDirectory(prefix="scale-") as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        write_study(folder, trials)
        print(f"{trials:,} trials made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        places = ["--runs-dir", str(folder / "runs")]
        status_s = _seconds("status", NAME, *places)
        report_s = _seconds("report", NAME, *places, "--reports-dir", str(folder / "reports"))
        page = folder / "reports" / NAME / "index.html"
        command = [sys.executable, "-m", "benchmarks.scale", "--drive", str(folder), "--trials", str(trials + more)]
        driven = subprocess.run(command, capture_output=True, text=True, check=True)
        return {
            **json.loads(driven.stdout),
            "status_s": status_s,
            "report_s": report_s,
            "report_mb": page.stat().st_size / 1e6,
        }


def _seconds(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sweeps", *words], capture_output=True, check=True)
    return time.perf_counter() - began


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown: a column per size, and the limits."""
    sizes = list(result["figures"])
    lines = [
        "Cost of a study as it grows, 30 epochs a trial, each figure in a process of its own "
        f"(ask, epoch, tell: medians over {result['more']} further trials).",
        "",
        "| | " + " | ".join(f"{int(size):,} trials" for size in sizes) + " | to stay under |",
        "| --- |" + " ---: |" * (len(sizes) + 1),
    ]
    for key, title in TITLES.items():
        factor = 1000 if title.endswith("ms") else 1
        cells = [f"{result['figures'][size][key] * factor:.3g}" for size in sizes]
        limit = f"{LIMITS[key] * factor:g}" if key in LIMITS else ""
        lines.append(f"| {title} | {' | '.join(cells)} | {limit} |")
    return "\n".join([*lines, "", machine_line(result["machine"])]) + "\n"


def main() -> None:
    """Measure every size; with --drive, be the driver of one."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--more", type=int, default=20, help="further trials that the driver runs")
    parser.add_argument("--drive", type=Path, help="be the driver of the study in this folder")
    chosen = parser.parse_args()
    if chosen.drive:
        print(json.dumps(drive(chosen.drive, chosen.trials[0])))
        return
    busy = require_quiet(chosen.loaded)
    figures = {str(size): measure(size, chosen.more) for size in chosen.trials}
    result = {"more": chosen.more, "machine": machine(busy, "optuna", "sqlalchemy", "plotly"), "figures": figures}
    write_result(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
