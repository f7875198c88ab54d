"""Make the table of curves: train 384 configurations of a ResNet on scikit-learn's digits, 27 epochs each.

    python -m benchmarks.tabulate [--runs-dir runs] [--out benchmarks/tables/digits.csv.gz]

A grid study of the engine itself (benchmarks/tables/digits.yaml), which resumes after an interruption. One seed, one
split. The table has the validation accuracy of every epoch and the seconds of an epoch. The seconds are the median over
all epochs of the configurations with the same width and batch size: nothing else changes the work, and other programs
slow single epochs. Half an hour to an hour on one core.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import statistics
from pathlib import Path

from sweeps.engine.launch import Folders, Options, launch
from sweeps.storage.results import Results
from sweeps.study.document import read
from sweeps.trial.trial import Status, Trial
from sweeps.validation.checks import accept

STUDY = Path(__file__).parent / "tables" / "digits.yaml"
WORK = ("model.widths", "batch_size")  # settings that the time of an epoch depends on
OUT = Path(__file__).parent / "tables" / "digits.csv.gz"


def table(results: Results) -> str:
    """Return the CSV: per configuration the settings, the seconds of an epoch, and the accuracy in % by epoch."""
    complete = [trial for trial in results.trials if trial.status is Status.COMPLETE]
    keys, epochs = list(complete[0].parameters), sorted(complete[0].curve)
    seconds: dict[str, list[float]] = {}
    for trial in complete:
        seconds.setdefault(_work(trial), []).extend(row["device_seconds"] for row in results.rows(trial.number))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, "epoch_seconds", *epochs])
    for trial in sorted(complete, key=lambda trial: [str(trial.parameters[key]) for key in keys]):
        values = [f"{trial.curve[epoch]:g}" for epoch in epochs]
        epoch_seconds = statistics.median(seconds[_work(trial)])
        writer.writerow([*(trial.parameters[key] for key in keys), f"{epoch_seconds:.4f}", *values])
    return text.getvalue()


def _work(trial: Trial) -> str:
    return str([trial.parameters[key] for key in WORK])


def main() -> None:
    """Train the missing configurations, then write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs-dir", type=Path, default=Path("runs"))
    options.add_argument("--out", type=Path, default=OUT)
    chosen = options.parse_args()
    study, workload = accept(read(STUDY))
    folders = Folders(runs=chosen.runs_dir, reports=chosen.runs_dir / "reports")
    result = launch(study, workload, Options(folders=folders, runner="inline"))
    missing = study.run_cap - result.results.counts()[Status.COMPLETE]
    if missing:
        raise SystemExit(
            f"{missing} of {study.run_cap} configurations are not complete: {result.failure}; run it again"
        )
    with chosen.out.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(table(result.results).encode())


if __name__ == "__main__":
    main()
