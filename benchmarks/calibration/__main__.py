"""Check the error rates and intervals against known truths.

    python -m benchmarks.calibration [--studies 5000] [--seed 0] [--out benchmarks/results/calibration]
    python -m benchmarks.calibration --engine [--studies 500] [--jobs 2] [--only confirm] [--out …_engine]

Without --engine, differences are drawn and given to `sweeps.stats`. With it, whole studies of a costless workload run
through the engine. Exit code 1 when a bound is broken by more than three standard errors, or four for simulations.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.calibration import engine, simulations
from benchmarks.calibration.scenarios import NAMES
from benchmarks.common import write_result

STUDIES, ENGINE_STUDIES = 5000, 500


def main() -> None:
    """Simulate, print the table, write the figures; exit with 1 if a bound is broken."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--engine", action="store_true", help="run whole studies through the engine")
    options.add_argument("--studies", type=int, help=f"per setting: {STUDIES:,}, or {ENGINE_STUDIES} with --engine")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--jobs", type=int, default=1, help="processes, with --engine")
    options.add_argument("--only", action="append", choices=NAMES, help="with --engine: these studies only")
    options.add_argument("--out", type=Path, help="where to keep the result, as .json and .md")
    chosen = options.parse_args()
    if chosen.engine:
        broken = _engine(chosen.studies or ENGINE_STUDIES, chosen.seed, chosen.jobs, chosen.only, chosen.out)
    else:
        broken = _simulations(chosen.studies or STUDIES, chosen.seed, chosen.out)
    for text in broken:
        print(f"broken: {text}", file=sys.stderr)
    sys.exit(1 if broken else 0)


def _simulations(studies: int, seed: int, out: Path | None) -> list[str]:
    began = time.perf_counter()
    checks = simulations.calibrate(studies, seed)
    print(f"{len(checks)} settings in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    plain = [asdict(check) | {"standard_error": check.error, "holds": check.holds} for check in checks]
    write_result({"studies": studies, "seed": seed, "checks": plain}, simulations.table(checks, seed), out)
    return [
        f"{check.name}, {check.setting}: {check.rate:.2%} ± {check.error:.2%}, promised {check.promise}"
        for check in checks
        if not check.holds
    ]


def _engine(studies: int, seed: int, jobs: int, only: Iterable[str] | None, out: Path | None) -> list[str]:
    began = time.perf_counter()
    calibration = engine.calibrate(studies, seed, jobs, only or NAMES)
    seconds = time.perf_counter() - began
    print(f"{calibration.studies:,} whole studies in {seconds:.0f} s", file=sys.stderr)
    write_result(calibration.plain(), calibration.table(), out)
    return [f"{each.scenario}: {each.name}: {each.text}, promised {each.promised}" for each in calibration.broken]


if __name__ == "__main__":
    main()
