"""Send drivers signals of many kinds at random moments, and check that each ends as it should and nothing is lost.

    python -m benchmarks.signal_storm [--signals 200] [--out benchmarks/results/signal_storm_inline]
    python -m benchmarks.signal_storm --runner ray [--signals 20] [--out benchmarks/results/signal_storm_ray]

Every driver is a process of its own, `python -m sweeps run`. After each signal the same command is given again, until
the study is complete; then the next one begins. The checks are those of the crash loop (tests/faults/audit.py):
the workload's own log is compared with the storage and the files, no process may be left, no traceback may be printed,
and each trial of a complete study is trained again without interruption and must give equal figures, bit for bit.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import machine, machine_line, write_result
from tests.faults.storm import DELIVERIES, StormTally, heed_signals, storm, uninterrupted_s

DEFAULT_SIGNALS = {"inline": 200, "ray": 20}


def measure(runner: str, signals: int, seed: int, folder: Path) -> dict[str, Any]:
    """Run a storm and return its result."""
    began = time.monotonic()
    span_s = uninterrupted_s(runner, folder / "unbroken")
    tally = storm(runner, folder, signals, span_s, seed, _report)
    answers = [asdict(answer) for answer in tally.answers]
    words = ["python", "-m", "benchmarks.signal_storm", "--runner", runner, "--signals", str(signals)]
    return {
        "command": " ".join([*words, "--seed", str(seed)]),
        "runner": runner,
        "signals": len(answers),
        "unbroken_s": span_s,
        "wall_s": round(time.monotonic() - began),
        "machine": machine(0.0, "optuna", "ray"),
        **vars(tally),
        "answers": answers,
    }


def text(result: Mapping[str, Any]) -> str:
    """Return the result as Markdown."""
    rows = [_row(delivery.name, result["answers"]) for delivery in DELIVERIES]
    handlers = result["handlers_s"]
    lines = [
        f"Drivers of the {result['runner']} runner that were sent signals at random moments (n = {result['signals']}). "
        f"0 is the exit code of a driver that goes on, or had ended before; of 75 and 130 see the README; a negative "
        f"one is that of a signal that ends every process that does not handle it.",
        "",
        "| signal | n | exit codes | seconds until nothing was left, where it ended the driver |",
        "| --- | ---: | --- | --- |",
        *filter(None, rows),
        "",
        f"Promises broken: {len(result['broken'])}. Studies brought to their end: {result['studies']}, with "
        f"{result['finished_trials']} trials and runs and {result['epochs']} epochs; epochs repeated, with equal "
        f"figures: {result['repeated_epochs']}; records that the next start wrote: {result['records_written_later']}.",
        "",
        f"Moments are counted from when a driver's handlers stood: {statistics.median(handlers):.2f} s after its start "
        f"(at most {max(handlers):.2f} s). A signal before that ends the process as the system does.",
        "",
        f"`{result['command']}`, {result['wall_s']:,} s. {machine_line(result['machine'])}",
    ]
    return "\n".join([*lines, *(f"\nBroken: {each}" for each in result["broken"])]) + "\n"


def _row(name: str, answers: list[Mapping[str, Any]]) -> str:
    own = [answer for answer in answers if answer["delivery"] == name]
    if not own:
        return ""
    codes = ", ".join(f"{code}: {n}" for code, n in sorted(Counter(answer["code"] for answer in own).items()))
    seconds = [answer["seconds"] for answer in own if answer["code"]]
    ended = f"median {statistics.median(seconds):.1f}, at most {max(seconds):.1f}" if seconds else ""
    return f"| {name} | {len(own)} | {codes} | {ended} |"


def _report(tally: StormTally) -> None:
    print(f"{len(tally.answers)} signals, {tally.studies} studies, broken: {tally.broken}", file=sys.stderr)


def main() -> None:
    """Run the storm and write the result."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runner", choices=tuple(DEFAULT_SIGNALS), default="inline")
    options.add_argument("--signals", type=int, help="200 inline, 20 through Ray unless given")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    heed_signals()
    folder = Path(tempfile.mkdtemp(prefix="signal-storm-"))
    signals = chosen.signals or DEFAULT_SIGNALS[chosen.runner]
    result = measure(chosen.runner, signals, chosen.seed, folder)
    write_result(result, text(result), chosen.out)
    if result["broken"]:
        raise SystemExit(f"{len(result['broken'])} promises broken; the folders are in {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
