"""How well near duplicates are found: on a published list, on reworked copies, and how long 60,000 images take.

    python -m benchmarks.near_duplicates --data NAME --data-dir FOLDER [--list FILE] [--sheets FOLDER]
                                         [--out benchmarks/results/near_duplicates]

FOLDER has the data in its official layout. FILE is a list of near duplicates of ciFAIR (Barz & Denzler 2020,
arXiv:1902.00423; columns TestID, TrainID, Distance, Judgment: 0 nearly all pixels equal, 1 the same shot, 2 similar but
another image), whose numbers are those of the official order: without it, or with another order of the images, leave
--list out. Sheets show pairs that were confirmed, drawn at random, side by side: look at them to judge the precision.
Result files that exist are extended by the data set. Nothing of the data or the list is kept in them.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import machine, machine_line, options, require_quiet, write_result
from cifar_sweep.data.duplicates.hashes import hash_images
from cifar_sweep.data.duplicates.near import bar_of, near_duplicates
from cifar_sweep.data.duplicates.parts import TEST, TRAIN, Part, parts_of
from cifar_sweep.data.formats import Images
from cifar_sweep.recipe import DataRecipe
from sweeps.workload import exact_pairs, near_candidates, with_copies

COPIES = 2000  # test images that are reworked
SHOWN = 200  # confirmed pairs on the sheets
PER_SHEET, COLUMNS, SCALE = 50, 10, 3
Change = Callable[[np.ndarray], np.ndarray]


def shifted(rows: int, columns: int) -> Change:
    """Return the change that moves images and repeats their edges."""

    def change(pixels: np.ndarray) -> np.ndarray:
        padded = np.pad(pixels, ((0, 0), (rows, rows), (columns, columns), (0, 0)), "edge")
        return padded[:, 2 * rows :, 2 * columns :][:, : pixels.shape[1], : pixels.shape[2]]

    return change


def recompressed(quality: int) -> Change:
    """Return the change by JPEG of a quality."""

    def change(pixels: np.ndarray) -> np.ndarray:
        return np.stack([_compressed(image, quality) for image in pixels])

    return change


def one_pixel(pixels: np.ndarray) -> np.ndarray:
    """Return the images with one pixel inverted."""
    generator, changed, side = np.random.default_rng(0), pixels.copy(), pixels.shape[1]
    rows, columns = generator.integers(0, side, (2, len(pixels)))
    changed[np.arange(len(pixels)), rows, columns] ^= 255
    return changed


def cropped(pixels: np.ndarray) -> np.ndarray:
    """Return the middle of the images, a sixteenth cut off on every side, enlarged again."""
    side = pixels.shape[1]
    box = (side // 16, side // 16, side - side // 16, side - side // 16)
    images = (Image.fromarray(image) for image in pixels)
    return np.stack([np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box)) for image in images])


CHANGES: dict[str, Change] = {
    "equal": lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, :, ::-1].copy(),
    "shifted by 1 pixel": shifted(0, 1),
    "shifted by 2 pixels": shifted(2, 0),
    "shifted by 2 pixels both ways": shifted(2, 2),
    "mirrored and shifted by 1 pixel": lambda pixels: shifted(1, 0)(pixels[:, :, ::-1]),
    "JPEG of quality 75": recompressed(75),
    "JPEG of quality 40": recompressed(40),
    "one pixel inverted": one_pixel,
    "a fifth darker": lambda pixels: (pixels * 0.8).astype(np.uint8),
    "half the contrast": lambda pixels: (pixels * 0.5 + 64).astype(np.uint8),
    "in grey": lambda pixels: np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8),
    "2 pixels cut off on every side, enlarged": cropped,
}


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def found_copies(part: Part, bar: float) -> Iterator[dict[str, Any]]:
    """Yield, for each change, the share of reworked images that are found among all images of the part."""
    originals = np.linspace(0, len(part.images) - 1, COPIES).astype(np.int64)
    pixels = np.asarray(part.images.pixels[originals][..., : part.channels])
    for name, change in CHANGES.items():
        copies = Images(np.ascontiguousarray(change(pixels)), part.images.labels[originals])
        hashes = hash_images(copies, part.channels)
        candidates = near_candidates(part.hashes, hashes).pairs
        near = candidates[near_duplicates(part.images, copies, candidates, part.channels, bar)]
        pairs = np.concatenate([exact_pairs(part.hashes, hashes), with_copies(near, part.hashes, hashes)])
        hits = np.unique(pairs[originals[pairs[:, 1]] == pairs[:, 0], 1])
        yield {"change": name, "found_percent": 100 * len(hits) / COPIES}


def found_of_list(file: Path, pairs: np.ndarray, candidates: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield, for each judgment of the list, how many of its pairs are candidates and how many are confirmed."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(int(row["TrainID"]), int(row["TestID"]), int(row["Judgment"])) for row in csv.DictReader(lines)]
    confirmed, asked = (set(map(tuple, found.tolist())) for found in (pairs, candidates))
    for judgment in sorted({row[2] for row in rows}):
        listed = [row[:2] for row in rows if row[2] == judgment]
        yield {
            "judgment": judgment,
            "pairs": len(listed),
            "candidates": sum(pair in asked or pair in confirmed for pair in listed),
            "confirmed": sum(pair in confirmed for pair in listed),
        }


def write_sheets(folder: Path, train: Part, test: Part, pairs: np.ndarray) -> None:
    """Write sheets of confirmed pairs, drawn at random: the test image and, on its right, the training image."""
    chosen = pairs[np.random.default_rng(0).permutation(len(pairs))[:SHOWN]]
    side = train.images.pixels.shape[1] * SCALE
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, len(chosen), PER_SHEET)):
        sheet = Image.new("RGB", (COLUMNS * (2 * side + 8), PER_SHEET // COLUMNS * (side + 8)), "white")
        for place, (left, right) in enumerate(chosen[start : start + PER_SHEET]):
            corner = (place % COLUMNS * (2 * side + 8), place // COLUMNS * (side + 8))
            for offset, image in ((0, test.images.pixels[right]), (side, train.images.pixels[left])):
                picture = Image.fromarray(np.asarray(image[..., :3])).resize((side, side), Image.Resampling.NEAREST)
                sheet.paste(picture, (corner[0] + offset, corner[1]))
        sheet.save(folder / f"pairs_{number}.png")


def measured(data: DataRecipe, data_dir: Path, listed: Path | None, sheets: Path | None) -> dict[str, Any]:
    """Return what is found in a data set, and the seconds that it takes (CPU time of one thread)."""
    parts = parts_of(data, data_dir)
    train, test = parts[TRAIN], parts[TEST]
    seconds, count = {}, len(train.images) + len(test.images)
    began = time.process_time()
    hashes = [hash_images(part.images, part.channels) for part in (train, test)]
    seconds["hashes"] = time.process_time() - began
    began = time.process_time()
    candidates, within = near_candidates(*hashes), near_candidates(hashes[0])
    seconds["candidates"] = time.process_time() - began
    began, bar = time.process_time(), bar_of(train.images, train.channels)
    near, near_within = (
        near_duplicates(train.images, other.images, found.pairs, train.channels, bar)
        for other, found in ((test, candidates), (train, within))
    )
    seconds["confirmation"] = time.process_time() - began
    pairs = np.concatenate([exact_pairs(*hashes), candidates.pairs[near]])
    result = {
        "data": data.name,
        "images": count,
        "bar": bar,
        "seconds": seconds,
        "candidates": len(candidates.pairs),
        "exact_pairs": len(exact_pairs(*hashes)),
        "near_pairs": int(near.sum()),
        "test_images": len(np.unique(pairs[:, 1])),
        "training_images": len(np.unique(pairs[:, 0])),
        "near_pairs_within_training": int(near_within.sum()),
        "exact_copies_within_training": len(exact_pairs(hashes[0])),
        "copies": list(found_copies(test, bar)),
        "list": list(found_of_list(listed, pairs, candidates.pairs)) if listed else [],
    }
    if sheets is not None:
        write_sheets(sheets, train, test, candidates.pairs[near])
    return result


def text(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = []
    for result in results:
        seconds = result["seconds"]
        lines += [
            f"## {result['data']}",
            "",
            f"{result['test_images']} test images have a duplicate among the training images: {result['exact_pairs']} "
            f"equal pairs, {result['near_pairs']} near ones (likeness from {result['bar']:.2f}). Within the training "
            f"images: {result['exact_copies_within_training']} equal copies, {result['near_pairs_within_training']} "
            f"near pairs.",
            "",
            f"{result['images']:,} images, CPU seconds of one thread: hashes {seconds['hashes']:.1f}, candidates "
            f"{seconds['candidates']:.1f}, confirmation {seconds['confirmation']:.1f}; a second start reads what was "
            "found.",
            "",
            f"| {COPIES:,} test images, reworked | found |",
            "| --- | ---: |",
            *(f"| {row['change']} | {row['found_percent']:.1f} % |" for row in result["copies"]),
            "",
        ]
        if result["list"]:
            lines += ["| published list, judgment | pairs | candidates | confirmed |", "| --- | ---: | ---: | ---: |"]
            lines += [
                f"| {row['judgment']} | {row['pairs']} | {row['candidates']} | {row['confirmed']} |"
                for row in result["list"]
            ]
            lines.append("")
        lines += [result.get("precision", ""), "", machine_line(result["machine"]), ""]
    return "\n".join(lines)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--data", choices=["cifar10", "cifar100"], required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--precision", default="", help="what looking at the sheets has shown, for the result")
    arguments = parser.parse_args()
    busy = require_quiet(arguments.loaded)
    result = measured(DataRecipe(name=arguments.data), arguments.data_dir, arguments.list, arguments.sheets)
    result |= {"precision": arguments.precision, "machine": machine(busy, "numpy", "pillow")}
    file = arguments.out.with_suffix(".json") if arguments.out else None
    earlier = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else []
    results = [*(each for each in earlier if each["data"] != arguments.data), result]
    write_result(results, text(sorted(results, key=lambda each: str(each["data"]))), arguments.out)


if __name__ == "__main__":
    main()
