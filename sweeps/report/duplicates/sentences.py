"""Sentences on images that a study has twice."""

from __future__ import annotations

from collections.abc import Iterator

from sweeps.duplicates.record import DuplicateRecord, Overlap
from sweeps.duplicates.search import TEST, TRAIN, UNLABELLED
from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat, count, listed
from sweeps.report.duplicates.unseen import unseen_accuracies
from sweeps.report.means import mean_text
from sweeps.report.tables.ablation import called

ACCURACY = MetricFormat("accuracy", "%", "maximize")
NOT_CHECKED = (
    "Not checked: whether test images, or images that look like them, are among the training images. The study has no "
    "hashes of its images on record."
)


def duplicate_sentences(findings: Findings) -> list[str]:
    """Return a sentence for every kind of duplicate that was found, and what was not checked once the test set is open.

    Nothing is said where nothing was found: that is in the provenance.
    """
    record = DuplicateRecord.of(findings.results.environment)
    opened = findings.final is not None and bool(findings.final.sets)
    if record is None or not {TRAIN, TEST} <= record.sizes.keys():
        return [*(_others(record) if record is not None else ()), *([NOT_CHECKED] if opened else [])]
    near = [] if record.near or not opened else ["Only equal images were looked for, not those that look alike."]
    return [*_leaks(record, findings, opened=opened), *_others(record), *near]


def _leaks(record: DuplicateRecord, findings: Findings, *, opened: bool) -> list[str]:
    """What became of the training images that are test images, and what that means for the figure."""
    if not record.leaks:
        return []
    if record.choice == "drop":
        return [
            f"Dropped from training: {count(leak.images(0), _image(leak.first))} of {record.sizes[leak.first]:,}, "
            f"because {'it is a test image' if leak.images(0) == 1 else 'they are test images'} too {_kinds(leak, 0)}."
            for leak in record.leaks
        ]
    shown = [_shared(leak, record) for leak in record.leaks]
    if record.late:
        shown.append("This was found after the study had begun, so it was not refused.")
    return [*shown, *(_without(findings) if opened else [])]


def _shared(overlap: Overlap, record: DuplicateRecord) -> str:
    size, images = record.sizes[overlap.second], overlap.images(1)
    verb = "is" if images == 1 else "are"
    noun = f"{size:,} test images" if overlap.second == TEST else f"{size:,} images of {overlap.second}"
    return f"{images:,} of {noun} {verb} also among the {_image(overlap.first)}s {_kinds(overlap, 1)}."


def _others(record: DuplicateRecord) -> Iterator[str]:
    """The copies within training, and what further labelled sets share with training and test."""
    for overlap in record.overlaps:
        if overlap.leaks or not overlap.images(1):
            continue
        yield _copies(overlap, record) if overlap.first == overlap.second else _shared(overlap, record)


def _copies(overlap: Overlap, record: DuplicateRecord) -> str:
    images = overlap.images(1)
    verb = "is a copy" if images == 1 else "are copies"
    effect = "a split may have parted them, so validation figures may be optimistic"
    if record.together:
        effect = "an image and its copies stay on one side of every split into training and validation"
    size = record.sizes[overlap.first]
    return f"{images:,} of {size:,} training images {verb} of another {_kinds(overlap, 1)}: {effect}."


def _without(findings: Findings) -> list[str]:
    """The figure of the first arm with and without the test images that were trained on."""
    accuracies = unseen_accuracies(findings)
    if not accuracies:
        return ["The figure without these test images is not available: predictions or the list of pairs are missing."]
    first = accuracies[0]
    if not first.unseen.values:
        return ["Every test image is also a training image, so no figure without them can be given."]
    return [
        f"Without these test images, on the {first.left:,} others, {called(first.arm)} reaches test accuracy "
        f"{mean_text(first.unseen, ACCURACY)}; with them {mean_text(first.every, ACCURACY)}."
    ]


def _image(part: str) -> str:
    return {TRAIN: "training image", UNLABELLED: "unlabelled training image", TEST: "test image"}[part]


def _kinds(overlap: Overlap, side: int) -> str:
    kinds = [(overlap.exact[side], "equal"), (overlap.near[side], "near duplicates")]
    kinds = [(number, kind if number != 1 else kind.removesuffix("s")) for number, kind in kinds if number]
    return f"({listed([f'{number:,} {kind}' for number, kind in kinds])})"
