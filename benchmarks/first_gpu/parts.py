"""The process of a step, or of several: runs their parts one after another and keeps the record of each.

    python -m benchmarks.first_gpu.parts SETTING STEPS

STEPS is JSON: for each step its file and the modules whose functions `parts` return its parts.

A part that fails is recorded and the next one begins. Where an error has left the device unusable, the process ends
with `UNFIT`, and another one goes on with the next part: no CUDA context is usable again after an illegal access.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.first_gpu.records import BAD, NotHere, PartRecord, StepRecord, Wrong, load, save
from benchmarks.first_gpu.setting import Setting, synchronise

UNFIT = 3
LEAST_S = 2.0


@dataclass(frozen=True)
class Part:
    """A part of a step.

    Attributes:
        name: Its name, unique within the step.
        measure: Returns the figures. Raises `Wrong` where a check fails, `NotHere` where something is missing.
        needs_s: The seconds that must be left for it to begin.
    """

    name: str
    measure: Callable[[], Mapping[str, Any]]
    needs_s: float = LEAST_S


def run_part(part: Part) -> PartRecord:
    """Run a part and return its record. Nothing that it raises ends the step."""
    started = time.perf_counter()
    figures: Mapping[str, Any] = {}
    status, reason = "ok", ""
    try:
        figures = part.measure()
    except Wrong as wrong:
        status, reason, figures = "wrong", str(wrong), wrong.figures
    except NotHere as error:
        status, reason = "not here", str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, the other parts are to run)
        status, reason = "failed", f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        traceback.print_exc()
    return PartRecord(part.name, status, time.perf_counter() - started, figures, reason)  # type: ignore[arg-type]


def run_parts(step: StepRecord, parts: list[Part], file: Path, setting: Setting) -> bool:
    """Run the parts that have no record yet; return False where the device is no longer usable."""
    for part in [part for part in parts if part.name in step.left()]:
        if setting.left_s() < part.needs_s:
            reason = f"{max(0.0, setting.left_s()):.0f} s were left, it needs about {part.needs_s:.0f}"
            record = PartRecord(part.name, "skipped", reason=reason)
        else:
            save(step.with_record(PartRecord(part.name, "running")), file)
            record = run_part(part)
        step = step.with_record(record)
        save(step, file)
        print(line(record), flush=True)
        if record.status in BAD and not fit(setting.device):
            return False
    return True


def line(record: PartRecord) -> str:
    """Return a part's record as one line of text."""
    figures = ", ".join(f"{name} {shown(value)}" for name, value in record.figures.items() if _is_short(value))
    text = "; ".join(filter(None, [record.reason, figures]))
    return f"  {record.status:8} {record.part}: {text} [{record.seconds:.1f} s]"


def shown(value: Any) -> str:
    """Return a figure as text, with four significant digits."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def fit(device: str) -> bool:
    """Return whether the device still computes in this process; a CPU always does."""
    if device == "cpu":
        return True
    import torch

    try:
        synchronise(device)
        return torch.ones(8, device=device).sum().item() == 8
    except RuntimeError:
        return False


def _is_short(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 60)


def main(words: list[str]) -> int:
    """Run steps, behind the parts that have a record in their files already."""
    setting = Setting.from_json(json.loads(words[0]))
    for name, modules in json.loads(words[1]):
        file = Path(name)
        parts = _parts(modules, setting)
        step = replace(load(file), parts=tuple(part.name for part in parts))
        if step.left():
            print(f"\n{file.stem}: {step.title}", flush=True)
        if not run_parts(step, parts, file, setting):
            return UNFIT
    return 0


def _parts(modules: list[str], setting: Setting) -> list[Part]:
    """Return the parts of a step; one that fails where they cannot be told."""
    try:
        return [part for name in modules for part in import_module(name).parts(setting)]
    except Exception as error:  # noqa: BLE001  (the other steps are to run)
        return [Part("start", partial(_raise, error))]


def _raise(error: Exception) -> Mapping[str, Any]:
    raise error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
