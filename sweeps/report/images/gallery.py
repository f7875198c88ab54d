"""The grid of images that a component decides, as pictures inside the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from sweeps.artifacts.thumbnails import read_thumbnail
from sweeps.evidence.images import ImageEvidence, SetEvidence
from sweeps.evidence.images.flips import FlippedImage, Flips
from sweeps.evidence.images.shown import shown_images
from sweeps.formatting import count
from sweeps.report.images.sentences import of_set


@dataclass(frozen=True)
class Tile:
    """One image: its picture as a data URI, and lines of text below it."""

    picture: str
    alt: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """The images of one arm and one direction."""

    title: str
    tiles: tuple[Tile, ...]


def gallery(evidence: ImageEvidence, folder: Path) -> tuple[Row, ...]:
    """Return the rows of the grid for the main set.

    Args:
        evidence: The evidence.
        folder: The study's folder, with the pictures that the workload gave.
    """
    main = evidence.main
    if main is None:
        return ()
    rows: dict[str, list[Tile]] = {}
    for flips, image in shown_images(main):
        content = read_thumbnail(folder, main.stage, main.name, image.image)
        if content is not None:
            rows.setdefault(_title(main, flips, image), []).append(_tile(main, flips, image, content))
    return tuple(Row(title, tuple(tiles)) for title, tiles in rows.items())


def _title(evidence: SetEvidence, flips: Flips, image: FlippedImage) -> str:
    right, wrong = flips.reference.name, flips.arm.name
    number = flips.lost
    if not image.lost:
        right, wrong, number = wrong, right, flips.gained
    return f"Right in {right}, wrong in {wrong}: {count(number, 'image')} of {of_set(evidence.name)}"


def _tile(evidence: SetEvidence, flips: Flips, image: FlippedImage, content: bytes) -> Tile:
    true = evidence.class_name(image.label)
    lines = (
        f"class {true}",
        f"{flips.reference.name}: {_answer(evidence, image.reference_class, image.reference_right, image.seeds)}",
        f"{flips.arm.name}: {_answer(evidence, image.arm_class, image.arm_right, image.seeds)}",
    )
    picture = "data:image/png;base64," + base64.b64encode(content).decode()
    return Tile(picture, f"image {image.image} of {evidence.name}, class {true}", lines)


def _answer(evidence: SetEvidence, label: int, right: int, seeds: int) -> str:
    return f"{evidence.class_name(label)} ({right}/{seeds} right)"
