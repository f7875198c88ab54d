"""What a study costs as it grows: ask, tell, resume, status, report and memory at 100, 1,000 and 10,000 trials.

    python -m benchmarks.scale [--trials 100 1000 10000] [--more 20] [--out benchmarks/results/scale]

Every trial has 30 epochs of a metric, four searched settings and the files that the engine leaves. The study is put
into its folder directly (`benchmarks.grown`); what is measured then runs as a person would start it, each in a process
of its own: a driver that resumes the study and runs some trials more, inline, under ASHA; `sweep status`; `sweep
report`. ask is the time in which a job is handed out, epoch that of recording one, tell that of recording a trial's
end, with all that reaches the disk meanwhile (medians); resume is from the driver's start to its first job.
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

from benchmarks.kept import keep, machine, machine_line, options, require_quiet

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
    """The scheduler that it is given, and how long each call of it took, in seconds."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.began = time.perf_counter()
        self.seconds: dict[str, list[float]] = {"suggest": [], "on_epoch": [], "on_end": []}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._scheduler, name)
        return self._timed(name, found) if name in self.seconds else found

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any) -> Any:
            began = time.perf_counter()
            result = call(*given)
            ended = "on_end" if getattr(result, "name", "") == "STOP" else name  # at a rung, say
            self.seconds[ended].append(time.perf_counter() - began)
            return result

        return timed


class Silent:
    """An observer that keeps nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def drive(folder: Path, trials: int) -> dict[str, float]:
    """Go on with the study in `folder` up to `trials` trials, in this process, as `sweep run` does."""
    from benchmarks.grown import DATA, NAME, study_file
    from sweeps.engine import execute as engine
    from sweeps.prepare.prepared import settle
    from sweeps.runners.inline import InlineRunner
    from sweeps.stages.schedule import RunRequest
    from sweeps.storage.runs import open_results
    from sweeps.study.document import read
    from sweeps.study.stages import stages_of
    from sweeps.study.study import parse
    from sweeps.workload import load

    study = parse(read(study_file(folder, trials)))
    known = open_results(folder / "runs", NAME, verified=False)
    plan = settle(study, load(study.workload), folder / DATA, known.environment)
    found: list[Timed] = []

    class Runner(InlineRunner):
        def run(self, scheduler: Any) -> None:
            found.append(Timed(scheduler))
            super().run(found[0])  # type: ignore[arg-type]

    engine.run(plan, folder / "runs" / NAME, Runner, Silent(), RunRequest(stages_of(study)))
    seconds = found[0].seconds
    return {
        "resume_s": found[0].began - BEGAN + seconds["suggest"][0],
        "ask_s": statistics.median(seconds["suggest"][1:-1]),
        "epoch_s": statistics.median(seconds["on_epoch"]),
        "tell_s": statistics.median(seconds["on_end"]),
        "driver_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(trials: int, more: int) -> dict[str, float]:
    """All figures of a study of `trials` trials; the driver runs `more`."""
    from benchmarks.grown import NAME, grow

    with tempfile.TemporaryDirectory(prefix="scale-") as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        grow(folder, trials)
        print(f"{trials:,} trials made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        places = ["--runs-dir", str(folder / "runs")]
        status_s = _seconds("status", NAME, *places)
        report_s = _seconds("report", NAME, *places, "--reports-dir", str(folder / "reports"))
        page = folder / "reports" / NAME / "index.html"
        own = [sys.executable, "-m", "benchmarks.scale", "--drive", str(folder), "--trials", str(trials + more)]
        driven = subprocess.run(own, capture_output=True, text=True, check=True)
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
    """A column for each size, and what the largest is to stay under."""
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
    """Measure every size, or be the driver of one."""
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
    keep(result, table(result), chosen.out)


if __name__ == "__main__":
    main()
