"""Measure a GPU that this project has not seen, in about nine minutes: see `benchmarks/first_gpu.sh`.

    python -m benchmarks.first_gpu [--out DIR] [--data-dir DIR] [--seconds 540] [--only STEP] [--device cpu --short]

Six steps, each in a process of its own. Each writes its results after each of its parts as JSON into the folder --out,
beside `summary.md`, so that a stop loses nothing. A step that is out of time leaves its last parts out and says so. On
a CPU (--device cpu --short) every step runs in a small form, for tests: its figures say nothing of a GPU.
Exit codes: 0, 1 if a part failed or found figures that are not as they should be, 2 for bad input.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.first_gpu.machine import Unusable, machine
from benchmarks.first_gpu.needs import ENGINE, TRAINER, describe_missing, how_to_bring, missing
from benchmarks.first_gpu.runner import run_steps
from benchmarks.first_gpu.setting import Setting
from benchmarks.first_gpu.steps import STEPS, TOTAL_S
from benchmarks.first_gpu.summary import overview, problems

BAD_INPUT = 2


def main(words: list[str] | None = None) -> int:
    """Run the steps and return the exit code."""
    given = _options().parse_args(words)
    print(f"Python {platform.python_version()}; {'; '.join(describe_missing()) or 'no module is missing'}", flush=True)
    if missing(TRAINER):
        return _refused(how_to_bring() or "install torch for this machine's GPU first")
    try:
        found = machine(given.device)
    except Unusable as error:
        return _refused(f"{error}; --device cpu --short shows the steps without a GPU")
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    print(f"device: {found['device_name']}; {versions}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the step's process is ended on the way
    data_dir = given.data_dir or _default_data_dir()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="first-gpu-") as scratch:
        setting = Setting(given.device, Path(scratch), data_dir, given.short, 0.0)
        chosen = [STEPS[name] for name in given.only or STEPS]
        steps = run_steps(chosen, setting, found, given.out, given.seconds)
    print(f"\n{overview(steps)}\n", *problems(steps), f"results: {given.out / 'summary.md'}", sep="\n")
    return 1 if problems(steps) else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="first_gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("first_gpu"), help="the folder for the results")
    parser.add_argument("--data-dir", type=Path, help="the folder that has cifar-10-batches-py; else as for sweep")
    parser.add_argument("--seconds", type=float, default=TOTAL_S, help="how long all steps may take")
    parser.add_argument("--only", action="append", choices=list(STEPS), help="this step (again for more), not all")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), default="cuda")
    parser.add_argument("--short", action="store_true", help="few images, narrow networks, one seed")
    return parser


def _default_data_dir() -> Path | None:
    """Return the data folder that `sweep` would use."""
    if named := os.environ.get("SWEEP_DATA"):
        return Path(named).expanduser()
    if missing(ENGINE):
        return None
    from sweeps.prepare.environment import data_dir

    return data_dir(None)


def _refused(text: str) -> int:
    print(text, file=sys.stderr)
    return BAD_INPUT


if __name__ == "__main__":
    sys.exit(main())
