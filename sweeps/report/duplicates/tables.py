"""The tables of images that a study has twice, and of the figures without them."""

from __future__ import annotations

import pandas as pd

from sweeps.duplicates.record import DuplicateRecord
from sweeps.evidence.findings import Findings
from sweeps.report.duplicates.sentences import ACCURACY
from sweeps.report.duplicates.unseen import unseen_accuracies
from sweeps.report.tables.frames import frame_of
from sweeps.report.tables.interval import level, spread
from sweeps.report.tables.table import Table

NAMES = ("duplicates", "test_without_duplicates")


def duplicates_tables(findings: Findings) -> list[Table]:
    """Return the first pairs of duplicates, and the test figures with and without them; none where there are none."""
    record = DuplicateRecord.of(findings.results.environment)
    if record is None:
        return []
    note = (
        "Numbers count from 0 in each part. Equal: every pixel. Near: found by a hash that similar images share, "
        "confirmed by the pixels. All pairs are in duplicates.json in the study's folder."
    )
    pairs = Table("duplicates", "First images that occur twice", _pairs(record), note=note)
    tables = [pairs, *([_figures(findings)] if record.leaks and record.choice != "drop" else [])]
    return [table for table in tables if len(table.frame)]


def _pairs(record: DuplicateRecord) -> pd.DataFrame:
    rows = [
        (overlap.first, str(first), overlap.second, str(second), kind)
        for overlap in record.overlaps
        for first, second, kind in overlap.pairs
    ]
    return frame_of(rows, ["part", "image", "other part", "other image", "how alike"])


def _figures(findings: Findings) -> Table:
    rows = [
        (each.arm.name, spread(each.every), spread(each.unseen), each.left, len(each.every.values))
        for each in unseen_accuracies(findings) or ()
    ]
    columns = ["arm", "all test images", "without duplicates", "images left", "seeds"]
    note = "Accuracy on test data. Brackets: the 95 % interval of the mean over seeds."
    shown = level(ACCURACY)
    kinds = {"all test images": shown, "without duplicates": shown}
    title = "Test accuracy without images that were trained on"
    return Table("test_without_duplicates", title, frame_of(rows, columns), kinds, note=note)
