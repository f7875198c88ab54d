"""Functions that all benchmarks use: options, a check for a quiet machine, and output of the result."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.processor import processor

SAMPLE_S = 3.0
QUIET_PERCENT = 10.0  # of all cores, by other programs


def options(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the common options; `text` is the benchmark's docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    parser.add_argument("--loaded", action="store_true", help="measure although other programs use the machine")
    return parser


def require_quiet(loaded: bool) -> float:
    """Return the percentage of the machine that other programs use. Exits with 2 if it is too high, unless `loaded`."""
    busy = float(psutil.cpu_percent(interval=SAMPLE_S))
    if busy > QUIET_PERCENT and not loaded:
        print(
            f"other programs use {busy:.0f} % of this machine, which would be measured too (allowed: "
            f"{QUIET_PERCENT:.0f} %): wait until they have ended, or say --loaded",
            file=sys.stderr,
        )
        raise SystemExit(2)
    return busy


def machine(busy: float, *libraries: str) -> dict[str, Any]:
    """Return the machine of a measurement: cores, processor, versions, and the percentage that others used."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "busy_percent": busy,
    }


def machine_line(machine: dict[str, Any]) -> str:
    """Return the machine as a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    busy = f", {machine['busy_percent']:.0f} % of it used by other programs" if machine["busy_percent"] > 1 else ""
    return f"Machine: {machine['cores']} cores of {machine['processor']}, Python {machine['python']}, {versions}{busy}."


def spread(values: Sequence[float], form: str) -> str:
    """Return the median and range, as "0.52 (0.50 to 0.61)"; a single value stands alone."""
    if len(values) == 1:
        return format(values[0], form)
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def write_result(result: Any, text: str, out: Path | None) -> None:
    """Print `text`; with `out`, write it to out.md and `result` to out.json."""
    print(text)
    if out is not None:
        out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(text, encoding="utf-8")
