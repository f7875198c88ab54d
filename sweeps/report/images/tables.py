"""List the tables of the per-image evidence."""

from __future__ import annotations

import pandas as pd

from sweeps.evidence.images import ImageEvidence
from sweeps.formatting import MetricFormat
from sweeps.report.images.frames import classes_frame, flipped_frame, flips_frame, quality_frame
from sweeps.report.tables.grid import Formats, Titles
from sweeps.report.tables.interval import Interval, difference, level, probability
from sweeps.report.tables.table import Table

# The names of the tables and of the CSV files behind them.
NAMES = (
    "image_flips",
    "class_differences",
    "agreement",
    "agreement_further",
    "flipped_images",
    "class_differences_all",
)
_ACCURACY = MetricFormat("accuracy", "%", "maximize")
_TEXT = ("set", "arm", "against", "class")
_CLASSES_SHOWN = 15


def image_tables(evidence: ImageEvidence) -> list[Table]:
    """Return the tables that have a row."""
    tables = _flips(evidence), _classes(evidence), _quality(evidence), _further(evidence)
    return [table for table in tables if len(table.frame)]


def image_frames(evidence: ImageEvidence) -> dict[str, pd.DataFrame]:
    """Return the data behind the tables by the names of their CSV files: every image that flips, every class."""
    frames = {"flipped_images": flipped_frame(evidence), "class_differences_all": classes_frame(evidence.sets)}
    return {name: frame for name, frame in frames.items() if len(frame)}


def _flips(evidence: ImageEvidence) -> Table:
    note = (
        "Lost: right in at least four fifths of the seeds with the reference, and wrong in at least four fifths with "
        "the arm; gained: the reverse. By chance: how many would be lost, and as many gained, if arm and reference "
        "were exchangeable within each seed. On validation data: the images that the splits of two or more seeds share."
    )
    kinds: Formats = {**dict.fromkeys(_TEXT, str), "by chance each way": lambda value: f"{value:.1f}"}
    titles: Titles = {"by chance each way": "by chance, each"}
    return Table("image_flips", "Images that a component decides", flips_frame(evidence), kinds, titles, note)


def _classes(evidence: ImageEvidence) -> Table:
    shown = [evidence.main] if evidence.main is not None else []
    frame = classes_frame(shown)
    kinds: Formats = {
        **dict.fromkeys(_TEXT, str),
        **dict.fromkeys(("reference mean", "arm mean"), level(_ACCURACY)),
        "difference": difference(_ACCURACY),
        **dict.fromkeys(("p", "Holm p"), probability),
        "images": lambda value: f"{value:.0f}",
    }
    titles: Titles = {"difference": "difference [95 % CI]", "reference mean": "reference", "arm mean": "arm"}
    note = (
        f"On {shown[0].name} data: arm minus reference, paired by seed; p by Holm over the {len(frame):,} classes and "
        "arms of this table. The standard deviation is at least that of one image of the class."
        if shown
        else ""
    )
    return Table(
        "class_differences", "Differences of each class", frame, kinds, titles, note,
        folded=len(frame) > _CLASSES_SHOWN, unshown=["set", "p"],
    )  # fmt: skip


def _quality(evidence: ImageEvidence) -> Table:
    note = (
        "Churn: the share of images for which two seeds predict different classes. ECE: the distance between "
        "confidence and accuracy over 15 bins of equal numbers of images; few images make it larger. NLL in nats. "
        "Brier from 0 to 2. Brackets: the 95 % interval of the mean over the seeds. Ensemble: the mean of the seeds' "
        "probabilities; one classifier without a spread over seeds, at the cost of all of its models."
    )
    return _quality_table("agreement", "Agreement, calibration and ensembles", evidence, note, further=False)


def _further(evidence: ImageEvidence) -> Table:
    title = "Agreement, calibration and ensembles on the further sets"
    return _quality_table("agreement_further", title, evidence, "As on the test set.", further=True)


def _quality_table(name: str, title: str, evidence: ImageEvidence, note: str, *, further: bool) -> Table:
    kinds: Formats = {
        **dict.fromkeys(("set", "arm"), str),
        "churn": level(_ACCURACY),
        "ECE": lambda cell: difference(_ACCURACY)(cell).replace("+", ""),
        **dict.fromkeys(("NLL", "Brier"), _three_decimals),
        **dict.fromkeys(("ensemble", "single model"), level(_ACCURACY)),
    }
    frame = quality_frame(evidence, further=further)
    return Table(name, title, frame, kinds, note=note, folded=further, unshown=["images per pair"])


def _three_decimals(cell: Interval | float) -> str:
    if not isinstance(cell, Interval):
        return f"{cell:.3f}"
    return f"{cell.value:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
