"""Which image files are read, how they are decoded, and how the rules keep their versions."""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cifar_sweep import workload
from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import part_notes, read_images
from cifar_sweep.data.formats.reading import READINGS
from cifar_sweep.data.unlabelled import read_unlabelled
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.data import FIRST_READING, READING
from cifar_sweep.tune import prepare
from sweeps.prepare.prepared import settle
from sweeps.storage import drift
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import Site, load
from tests.cifar_sweep.artificial_data import pictures
from tests.sweeps.support import ROOT

SIDE = 16
PETS = DataRecipe(name="folder", path="pets", size=SIDE, channels=3, classes=2, reading=READING)
FIRST = PETS.model_copy(update={"reading": FIRST_READING})
RECORDED_BEFORE = PETS.model_copy(update={"reading": None})
ORIENTATION = 0x0112


def picture(number: int) -> Image.Image:
    return Image.fromarray(pictures(np.array([number]), SIDE, seed=number)[0])


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    """The folder of one of two classes with three images each, train and test."""
    for first, part in ((0, "train"), (20, "test")):
        for label in ("cat", "dog"):
            folder = tmp_path / "pets" / part / label
            folder.mkdir(parents=True)
            for number in range(3):
                picture(first + number).save(folder / f"{number}.png")
    return tmp_path / "pets" / "train" / "cat"


def read(cats: Path, data: DataRecipe = PETS) -> np.ndarray:
    """The pixels of the training part."""
    return read_images(data, cats.parents[2], "train").pixels


def notes(cats: Path, data: DataRecipe = PETS) -> list[str]:
    return part_notes(data, cats.parents[2], "train")


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def test_every_version_has_its_rules_and_the_page_names_the_suffixes_of_the_newest():
    assert list(READINGS) == list(range(FIRST_READING, READING + 1))
    page = (ROOT / "docs" / "data.md").read_text()
    assert set(re.findall(r"\.[a-z0-9]+", re.search(r"`(\.png [^`]+)`", page)[1])) == READINGS[READING].suffixes


@pytest.mark.parametrize("suffix", [
    "png", "PNG", "jpg", "jpeg", "jpe", "jfif", "JFIF", "gif", "webp", "bmp", "dib", "tif", "tiff", "ppm", "jp2",
])  # fmt: skip
def test_images_of_every_usual_suffix_are_read(cats: Path, suffix: str):
    for file in list(cats.iterdir()):
        form = {"jfif": "JPEG", "jpe": "JPEG"}.get(suffix.lower())
        Image.open(file).save(file.with_suffix(f".{suffix}"), format=form)
        if suffix != "png":
            file.unlink()
    assert len(read(cats)) == 6
    assert notes(cats) == []


@pytest.mark.parametrize("suffix", ["gif", "jfif"])
def test_first_version_reads_its_suffixes_and_says_what_it_leaves_out(cats: Path, suffix: str):
    picture(3).convert("RGB").save(cats / f"3.{suffix}", format="GIF" if suffix == "gif" else "JPEG")
    assert len(read(cats, FIRST)) == 6
    assert len(read(cats)) == 7
    assert notes(cats, FIRST) == [f"below {cats.parent}, 1 file is not read: .{suffix} 1"]


def test_files_that_are_no_images_are_counted_by_suffix(cats: Path):
    for name in ("a.txt", "b.TXT", "clip.mp4", "README", "photo.heic"):
        (cats / name).write_text("no image")
    (cats.parent / "labels.csv").write_text("0, cat")
    assert len(read(cats)) == 6
    assert notes(cats) == [
        f"below {cats.parent}, 5 files are not read: .txt 2, no suffix 1, .heic 1, .mp4 1",
        f"beside the classes' folders in {cats.parent}, 1 file is not read: .csv 1",
    ]


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", ".thumbnails", "__MACOSX", "@eaDir"])
def test_hidden_folders_and_those_of_systems_are_not_read(cats: Path, folder: str):
    (cats / folder).mkdir()
    picture(0).save(cats / folder / "0-checkpoint.png")
    (cats.parent / folder).mkdir()
    assert len(read(cats)) == 6
    assert notes(cats) == []
    assert len(read(cats, FIRST.model_copy(update={"classes": 2 + (not folder.startswith("."))}))) == 7


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"])
def test_hidden_files_and_those_of_systems_are_neither_read_nor_counted(cats: Path, name: str):
    (cats / name).write_bytes(b"no image")
    (cats.parent / name).write_bytes(b"no image")
    assert len(read(cats)) == 6
    assert notes(cats) == []


def test_class_without_images_is_named(cats: Path):
    (cats.parent / "zebra").mkdir()
    (cats.parent / "zebra" / "clip.mp4").write_bytes(b"no image")
    for classes in (2, 3):
        data = PETS.model_copy(update={"classes": classes})
        with pytest.raises(ValueError, match=r"a class has no images; .*\n  .*/zebra \(1 file is not read: \.mp4 1\)"):
            read(cats, data)
    assert len(read(cats, data.model_copy(update={"subset": ("cat", "dog")}))) == 6


def test_class_without_images_is_found_although_the_pixels_are_cached(cats: Path, make_recipe: Callable[..., Any]):
    recipe = make_recipe(data={**PETS.model_dump(exclude={"reading"}), "validation": 2}, batch_size=2)
    workload.prepare(recipe, Site(cats.parents[2], "cpu"))
    (cats.parent / "zebra").mkdir()
    with pytest.raises(ValueError, match=r"a class has no images; .*\n  .*/zebra \(no file\)"):
        workload.prepare(recipe, Site(cats.parents[2], "cpu"))


def test_links_to_files_and_folders_are_followed(cats: Path, tmp_path: Path):
    (tmp_path / "album").mkdir()
    picture(7).save(tmp_path / "album" / "7.png")
    (cats / "linked.png").symlink_to(tmp_path / "album" / "7.png")
    (cats / "more").symlink_to(tmp_path / "album")
    assert len(read(cats)) == 8


@pytest.mark.parametrize(("target", "message"), [
    ("nowhere.png", "is a link that leads nowhere"),
    ("link.png", "is a link that leads nowhere"),
    (".", "is a link back to a folder that contains it"),
    ("../..", "is a link back to a folder that contains it"),
])  # fmt: skip
def test_links_that_lead_nowhere_or_back_are_named(cats: Path, target: str, message: str):
    (cats / "link.png").symlink_to(target)
    with pytest.raises(ValueError, match=rf"an entry cannot be read; remove or mend:\n  {cats}/link\.png {message}"):
        read(cats)


def test_pipe_is_named_instead_of_waited_for(cats: Path):
    os.mkfifo(cats / "3.png")
    with pytest.raises(ValueError, match=rf"{cats}/3\.png is neither a file nor a folder"):
        read(cats)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_turned_as_its_exif_orientation_says(cats: Path, suffix: str, orientation: int):
    file = cats / f"9.{suffix}"
    wide = picture(9).resize((2 * SIDE, SIDE))
    wide.save(file, exif=oriented(orientation), **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    assert upright.size == ((SIDE, 2 * SIDE) if orientation > 4 else (2 * SIDE, SIDE))
    expected = np.asarray(upright.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    assert np.array_equal(read(cats)[3], expected)


def test_first_version_turns_no_image(cats: Path):
    file = cats / "9.png"
    picture(9).save(file, exif=oriented(6))
    assert np.array_equal(read(cats, FIRST)[3], np.asarray(picture(9)))
    assert np.array_equal(read(cats, RECORDED_BEFORE), read(cats, FIRST))
    assert np.array_equal(read(cats)[3], np.asarray(picture(9).transpose(Image.Transpose.ROTATE_270)))


@pytest.mark.parametrize("data", [PETS, DataRecipe(name="stl10", resize=48)])
def test_unlabelled_images_are_turned_too(tmp_path: Path, data: DataRecipe):
    (tmp_path / "set").mkdir()
    picture(9).resize((40, 20)).save(tmp_path / "set" / "lying.jpg", exif=oriented(6), quality=100)
    picture(9).resize((40, 20)).rotate(-90, expand=True).save(tmp_path / "set" / "upright.jpg", quality=100)
    (tmp_path / "set" / "clip.mp4").write_bytes(b"no image")
    images = read_unlabelled(tmp_path / "set", data)
    lying, upright = images.pixels.astype(int)
    assert np.abs(lying - upright).mean() < 8
    assert images.notes == (f"in {tmp_path / 'set'}, 1 file is not read: .mp4 1",)


def test_size_of_an_unlabelled_image_is_that_after_turning(tmp_path: Path):
    (tmp_path / "set").mkdir()
    for suffix in ("jpg", "tif"):
        picture(9).resize((40, 20)).save(tmp_path / "set" / f"{suffix}.{suffix}", exif=oriented(6))
        with pytest.raises(ValueError, match=rf"{suffix}: 40 x 20 pixels, but the network"):
            read_unlabelled(tmp_path / "set", DataRecipe(name="cifar10"))
        (tmp_path / "set" / f"{suffix}.{suffix}").unlink()


def test_unlabelled_folder_without_images_says_what_is_in_it(tmp_path: Path):
    (tmp_path / "clip.mp4").write_bytes(b"no image")
    with pytest.raises(ValueError, match=rf"{tmp_path} holds no image; in {tmp_path}, 1 file is not read: \.mp4 1"):
        read_unlabelled(tmp_path, PETS)


def test_broken_exif_data_do_not_keep_an_image_from_being_read(cats: Path):
    picture(9).save(cats / "9.png", exif=b"Exif\x00\x00 no TIFF header")
    assert np.array_equal(read(cats)[3], np.asarray(picture(9)))


def _palette(image: Image.Image) -> Image.Image:
    return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)


def _palette_with_transparency(image: Image.Image) -> Image.Image:
    palette = _palette(image)
    palette.info["transparency"] = bytes([0, 128, 255, 255])
    return palette


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    image.putalpha(7)
    return image


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("data", [PETS, FIRST])
@pytest.mark.parametrize(("suffix", "change", "back"), [
    ("png", _palette_with_transparency, lambda image: _palette(image).convert("RGB")),
    ("png", _with_alpha, lambda image: image),
    ("png", lambda image: image.convert("LA"), lambda image: image.convert("L").convert("RGB")),
    ("png", lambda image: image.convert("1"), lambda image: image.convert("1").convert("RGB")),
    ("tif", lambda image: image.convert("CMYK"), lambda image: image.convert("CMYK").convert("RGB")),
])  # fmt: skip
def test_image_of_any_mode_becomes_rgb_and_transparency_is_ignored(
    cats: Path, data: DataRecipe, suffix: str, change: Callable[..., Any], back: Callable[..., Any]
):
    change(picture(9)).save(cats / f"9.{suffix}")
    assert np.array_equal(read(cats, data)[3], np.asarray(back(picture(9))))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_first_frame_of_an_animation_is_read(cats: Path, suffix: str):
    first, second = picture(8).quantize(64).convert("RGB"), picture(9)
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(cats / f"9.{suffix}", save_all=True, append_images=[second], **options)
    assert np.array_equal(read(cats)[3], np.asarray(first))


@pytest.mark.parametrize(("mode", "suffix"), [("I;16", "png"), ("I;16", "tif"), ("F", "tif")])
def test_image_of_more_than_8_bits_is_refused_with_the_way_out(cats: Path, mode: str, suffix: str):
    depth = np.float32 if mode == "F" else np.uint16
    Image.fromarray(np.full((8, 8), 4000, depth)).save(cats / f"9.{suffix}")
    with pytest.raises(ValueError, match=rf"9\.{suffix} cannot be decoded: it has pixels of mode {mode}.*convert it"):
        read(cats)


def test_upper_8_bits_of_colours_of_16_bits_are_read(cats: Path):
    colours = (np.asarray(picture(9)).astype(np.uint16) * 256 + 200).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in colours)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in chunks]  # fmt: skip
    (cats / "9.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    assert np.array_equal(read(cats)[3], np.asarray(picture(9)))


def test_format_that_would_start_another_program_is_not_decoded(cats: Path):
    picture(9).save(cats / "9.eps")
    (cats / "9.eps").rename(cats / "9.png")
    with pytest.raises(ValueError, match=r"9\.png cannot be decoded: cannot identify"):
        read(cats)


@pytest.mark.parametrize("count", [2, 13])
def test_every_broken_file_is_named_up_to_ten(cats: Path, count: int):
    for number in range(10, 10 + count):
        picture(0).save(cats / f"{number}.jpg")
        (cats / f"{number}.jpg").write_bytes((cats / f"{number}.jpg").read_bytes()[:200])
    with pytest.raises(ValueError, match=f"^{count} images cannot be decoded; replace or remove them:\n") as error:
        read(cats)
    with pytest.raises(ValueError, match=f"^{count} images cannot be decoded"):
        read_unlabelled(cats, DataRecipe(name="cifar10"))
    lines = str(error.value).splitlines()[1:]
    assert [line for line in lines if "cannot" not in line] == [
        *(line for line in lines if str(cats) in line), *(["  and 3 more"] if count == 13 else [])
    ]  # fmt: skip
    assert sum(f"{cats}/{number}.jpg: " in "\n".join(lines) for number in range(10, 10 + count)) == min(10, count)


def test_cached_pixels_are_those_of_the_version(cats: Path):
    picture(9).save(cats / "9.png", exif=oriented(6))
    root = cats.parents[2]
    first, newest = (load_images(data, root, "train").pixels.copy() for data in (FIRST, PETS))
    assert not np.array_equal(first, newest)
    assert np.array_equal(load_images(FIRST, root, "train").pixels, first)


def test_recipe_without_a_version_is_dumped_as_before_there_was_one(make_recipe: Callable[..., Any]):
    assert "reading" not in make_recipe().data.model_dump(mode="json")
    assert PETS.model_dump(mode="json")["reading"] == READING


@pytest.mark.parametrize(("given", "begun", "settled", "used"), [
    (None, False, READING, READING), (None, True, None, 1), (1, False, None, 1), (2, True, None, 2),
])  # fmt: skip
def test_study_settles_the_version_when_it_begins(
    cats: Path, make_recipe: Callable[..., Any], given: int | None, begun: bool, settled: int | None, used: int
):
    settings = {**PETS.model_dump(exclude={"reading"}), "validation": 2, **({"reading": given} if given else {})}
    prepared = workload.prepare(make_recipe(data=settings, batch_size=2), Site(cats.parents[2], "cpu", begun=begun))
    assert prepared.settings.get("data.reading") == settled
    assert prepared.provenance["reading"] == used


def test_fingerprint_is_that_of_the_first_version_where_the_data_reads_the_same(
    cats: Path, make_recipe: Callable[..., Any]
):
    def fingerprint(begun: bool) -> str:
        recipe = make_recipe(data={**PETS.model_dump(exclude={"reading"}), "validation": 2}, batch_size=2)
        return workload.prepare(recipe, Site(cats.parents[2], "cpu", begun=begun)).provenance["fingerprint"]

    assert fingerprint(begun=True) == fingerprint(begun=False)
    picture(9).save(cats / "9.png", exif=oriented(6))
    assert fingerprint(begun=True) != fingerprint(begun=False)


def test_data_without_image_files_has_no_version(make_recipe: Callable[..., Any], data_dir: Path):
    prepared = workload.prepare(make_recipe(data__train_limit=None), Site(data_dir, "cpu"))
    assert "data.reading" not in prepared.settings
    assert "reading" not in prepared.provenance


def test_study_begun_before_the_versions_goes_on_with_its_pixels(cats: Path, monkeypatch: pytest.MonkeyPatch):
    picture(9).save(cats / "9.png", exif=oriented(6))
    data = {**PETS.model_dump(exclude={"reading"}, exclude_none=True), "validation": 2}
    settings = {
        "name": "old",
        "question": "Does it go on?",
        "workload": "cifar_sweep",
        "baseline": {"data": data, "augment": {"crop": 0}, "batch_size": 2},
        "method": "random",
        "run_cap": 1,
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "parameters": {"optimizer.lr": {"values": [0.1, 0.2]}},
    }
    study, loaded = parse(from_text(json.dumps(settings), "old.yaml")), load("cifar_sweep")
    with monkeypatch.context() as before:  # as 0.1.0 began it
        before.setattr(prepare, "with_settled_data", copy)
        old = settle(study, loaded, cats.parents[2], {})
    grown = settle(study, loaded, cats.parents[2], old.environment)
    assert drift.of_environment(old.environment, grown.environment) == []
    assert grown.environment["data"]["reading"] == FIRST_READING
    assert grown.gate.baseline() == old.gate.baseline(), "its replicates are known by their recipes"
    (new,) = drift.of_environment(old.environment, settle(study, loaded, cats.parents[2], {}).environment)
    assert (new.kind, new.name) == ("data", "folder")
