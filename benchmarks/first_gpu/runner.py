"""Run the steps, each in a process of its own, within a budget of seconds; short ones share a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from benchmarks.first_gpu.machine import Machine
from benchmarks.first_gpu.parts import UNFIT, line
from benchmarks.first_gpu.records import PartRecord, StepRecord, load, save
from benchmarks.first_gpu.setting import Setting
from benchmarks.first_gpu.steps import Step
from benchmarks.first_gpu.summary import write_summary

OVERTIME_S = 15.0  # for the part that has begun when a step's time is up; then its process is killed


def run_steps(steps: list[Step], setting: Setting, machine: Machine, out: Path, seconds: float) -> list[StepRecord]:
    """Run steps in their order. Seconds that one leaves over are the later ones'.

    Args:
        steps: The steps.
        machine: The machine, for the records.
        setting: The setting; its `ends` is set for each step.
        out: The folder of the results: a JSON file for each step, `summary.md` and `log.txt`.
        seconds: How long all of them may take together.
    """
    share = seconds / sum(step.seconds for step in steps)
    ends = time.monotonic()
    records: list[StepRecord] = []
    # In a short setting importing torch would take longer than all measurements.
    groups = [steps] if setting.short else [[step] for step in steps]
    with (out / "log.txt").open("wb") as log:
        for group in groups:
            ends += share * sum(step.seconds for step in group)
            files = [out / f"{step.file}.json" for step in group]
            for step, file in zip(group, files, strict=True):
                save(StepRecord(step.title, machine), file)
            try:
                run_group(group, replace(setting, ends=ends), files, log)
            finally:
                records += [load(file) for file in files]
                write_summary(records, out / "summary.md")
    return records


def run_group(steps: list[Step], setting: Setting, files: list[Path], log: IO[bytes]) -> None:
    """Run steps in one process; after one that died or lost the device, another one goes on behind its part."""
    code: int | None = UNFIT
    while code not in (0, None):
        before = [load(file) for file in files]
        code = _run_process(steps, setting, files, log)
        after = [load(file) for file in files]
        if after == before:  # the process did nothing: another one would do the same
            _add(_closed(PartRecord("start", "running"), code), files[0])
            break
        for file, step in zip(files, after, strict=True):
            if step.running is not None:
                _add(_closed(step.running, code), file)
    for file in files:
        for part in load(file).left():
            _add(PartRecord(part, "skipped", reason="no time was left"), file)


def _add(record: PartRecord, file: Path) -> None:
    """Record a part that its process could not record."""
    save(load(file).with_record(record), file)
    print(line(record), flush=True)


def _run_process(steps: list[Step], setting: Setting, files: list[Path], log: IO[bytes]) -> int | None:
    """Run the process of steps to its end; return its exit status, None where it was killed for its time."""
    modules = [(str(file), step.modules) for step, file in zip(steps, files, strict=True)]
    words = [json.dumps(setting.to_json()), json.dumps(modules)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.first_gpu.parts", *words], stderr=log, start_new_session=True
    )
    try:
        return process.wait(max(1.0, setting.left_s() + OVERTIME_S))
    except subprocess.TimeoutExpired:
        return None
    finally:
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and those that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _closed(running: PartRecord, code: int | None) -> PartRecord:
    """Return the record of a part that was running when its process ended."""
    if code is None:
        return replace(running, status="cut off", reason="the step's time was up")
    how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
    return replace(running, status="failed", reason=f"its process {how}: see log.txt")
