"""Make a table of curves: train every configuration of a study in benchmarks/tables fully, 27 epochs each.

    python -m benchmarks.tabulate [digits] [--runs-dir runs]
    python -m benchmarks.tabulate cifar10_mini --data-dir DATA [--runs-dir runs]

digits is a grid of 384 configurations of a ResNet on scikit-learn's digits; cifar10_mini draws 150 random ones of a
small convolutional network on a part of CIFAR-10. Both are studies of the engine itself, which resume after an
interruption, with one seed and one split. A table has the validation accuracy of every epoch (nan once a training has
diverged) and the seconds of an epoch. The seconds are those that one in twenty epochs falls below, over all
configurations with the same width and batch size: nothing else changes the work, and other programs slow most epochs of
a busy machine (digits.csv.gz has medians of a quiet one). Half an hour to an hour on one core.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import math
from collections.abc import Sequence
from pathlib import Path

from sweeps.engine.launch import Folders, Options, launch
from sweeps.storage.results import Results
from sweeps.study.document import read
from sweeps.trial.trial import Status, Trial
from sweeps.validation.checks import accept

TABLES = Path(__file__).parent / "tables"
NAMES = ("digits", "cifar10_mini")
WORK = ("model.widths", "batch_size")  # settings that the time of an epoch depends on
TRAINED = (Status.COMPLETE, Status.DIVERGED)


def table(results: Results) -> str:
    """Return the CSV: per configuration the settings, the seconds of an epoch, and the accuracy in % by epoch."""
    trained = [trial for trial in results.trials if trial.status in TRAINED]
    keys, epochs = list(trained[0].parameters), sorted(max((trial.curve for trial in trained), key=len))
    seconds: dict[str, list[float]] = {}
    for trial in trained:
        seconds.setdefault(_work(trial), []).extend(row["device_seconds"] for row in results.rows(trial.number))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, "epoch_seconds", *epochs])
    for trial in sorted(trained, key=lambda trial: [str(trial.parameters[key]) for key in keys]):
        values = [f"{trial.curve.get(epoch, math.nan):g}" for epoch in epochs]
        epoch_seconds = _undisturbed(seconds[_work(trial)])
        writer.writerow([*(trial.parameters[key] for key in keys), f"{epoch_seconds:.4f}", *values])
    return text.getvalue()


def _undisturbed(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 20]


def _work(trial: Trial) -> str:
    return str([trial.parameters[key] for key in WORK])


def main() -> None:
    """Train the missing configurations, then write the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("name", nargs="?", choices=NAMES, default=NAMES[0])
    options.add_argument("--runs-dir", type=Path, default=Path("runs"))
    options.add_argument("--data-dir", type=Path, help="the folder with CIFAR-10")
    options.add_argument("--out", type=Path, help="default: NAME.csv.gz in benchmarks/tables")
    chosen = options.parse_args()
    study, workload = accept(read(TABLES / f"{chosen.name}.yaml"))
    folders = Folders(runs=chosen.runs_dir, reports=chosen.runs_dir / "reports", data=chosen.data_dir)
    result = launch(study, workload, Options(folders=folders, runner="inline"))
    missing = study.run_cap - sum(trial.status in TRAINED for trial in result.results.trials)
    if missing:
        raise SystemExit(
            f"{missing} of {study.run_cap} configurations are not complete: {result.failure}; run it again"
        )
    out = chosen.out or TABLES / f"{chosen.name}.csv.gz"
    with out.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(table(result.results).encode())


if __name__ == "__main__":
    main()
