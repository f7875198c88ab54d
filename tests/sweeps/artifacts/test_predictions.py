"""Predictions of images: what is stored, in how many bytes, and how damaged or hostile files are read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.artifacts.predictions import (
    BadPredictions,
    ImagePredictions,
    load_predictions,
    predictions_file,
    read_predictions,
    write_predictions,
)
from sweeps.workload import Run


def predictions(images: int = 40, classes: int = 10, *, logits: bool = False, scale: float = 4.0) -> ImagePredictions:
    draws = np.random.default_rng(0)
    labels = draws.integers(0, classes, images)
    values = draws.normal(size=(images, classes))
    values[np.arange(images), labels] += scale
    log = values - np.log(np.exp(values).sum(1, keepdims=True))
    return ImagePredictions.of(
        np.arange(images),
        labels,
        log.argmax(1),
        np.exp(log.max(1)),
        log[np.arange(images), labels],
        values if logits else None,
    )


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("classes", [2, 10, 300, 70_000])
def test_what_a_run_records_is_read_back(tmp_path: Path, classes: int, logits: bool) -> None:
    made = predictions(6, classes, logits=logits)
    run = Run(seed=0, split_seed=0, device="cpu", data_dir=tmp_path, folder=tmp_path)
    run.record_predictions("test", **vars(made))
    read = read_predictions(tmp_path, "test")
    assert read is not None
    for name in ("images", "labels", "predicted", "logits"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
    np.testing.assert_allclose(read.top_probability, made.top_probability, rtol=2e-3)
    np.testing.assert_allclose(read.label_log_probability, made.label_log_probability, rtol=1e-3, atol=1e-6)
    assert read.accuracy == made.accuracy
    assert read.images.dtype == np.int64
    assert read.top_probability.dtype == read.label_log_probability.dtype == np.float32


def test_ten_thousand_images_take_about_sixty_kilobytes(tmp_path: Path) -> None:
    write_predictions(tmp_path, "test", predictions(10_000, scale=5.0))
    assert predictions_file(tmp_path, "test").stat().st_size < 65_000


def test_equal_predictions_are_equal_files_that_numpy_reads(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_predictions(tmp_path, name, predictions())
    assert predictions_file(tmp_path, "a").read_bytes() == predictions_file(tmp_path, "b").read_bytes()
    with np.load(predictions_file(tmp_path, "a")) as arrays:
        np.testing.assert_array_equal(arrays["labels"], predictions().labels)


@pytest.mark.parametrize("name", ["../../etc", "a b", "A-B", "", "x" * 300, "日本"])
def test_every_set_has_a_file_of_its_own_in_the_folder_of_the_run(tmp_path: Path, name: str) -> None:
    file = predictions_file(tmp_path, name)
    assert file.parent == tmp_path / "predictions"
    assert file not in {predictions_file(tmp_path, other) for other in ("test", "a-b", "etc")}
    write_predictions(tmp_path, name, predictions())
    assert read_predictions(tmp_path, name) is not None


def test_numbers_that_a_network_did_not_give_are_kept_as_such(tmp_path: Path) -> None:
    made = ImagePredictions.of([0, 1], [0, 0], [0, 1], [np.nan, 1.0], [-np.inf, np.nan], [[1e9, -1e9], [np.nan, 0]])
    write_predictions(tmp_path, "test", made)
    read = load_predictions(tmp_path, "test")
    np.testing.assert_array_equal(read.top_probability, made.top_probability)
    np.testing.assert_array_equal(read.label_log_probability, made.label_log_probability)
    assert read.logits is not None
    np.testing.assert_array_equal(read.logits, [[65504, -65504], [np.nan, 0]])


@pytest.mark.parametrize(("changed", "message"), [
    ({"labels": [0]}, "one value for each of the N images"),
    ({"labels": [[0, 1]]}, "one value for each"),
    ({"images": [0, -1]}, "images are indices from 0 on, but one is -1"),
    ({"predicted": [0.5, 1.0]}, "predicted need whole numbers"),
    ({"top_probability": [0.5, 1.5]}, "probabilities are from 0 to 1"),
    ({"label_log_probability": [0.5, -1]}, "their logarithms at most 0"),
    ({"logits": [[1, 2, 3]]}, r"logits need the shape \(2, classes\)"),
])  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    run = Run(seed=0, split_seed=0, device="cpu", data_dir=tmp_path, folder=tmp_path)
    fit = {"images": [0, 1], "labels": [0, 1], "predicted": [0, 1], "top_probability": [1, 1]}
    with pytest.raises(ValueError, match=message):
        run.record_predictions("test", **{**fit, "label_log_probability": [0, 0], **changed})


def test_each_flipped_byte_is_noticed_or_without_effect(tmp_path: Path) -> None:
    write_predictions(tmp_path, "test", predictions(logits=True))
    file, made = predictions_file(tmp_path, "test"), load_predictions(tmp_path, "test")
    whole = file.read_bytes()
    noticed = 0
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        read = read_predictions(tmp_path, "test")
        noticed += read is None
        if read is not None:
            np.testing.assert_array_equal(read.logits, made.logits)
            np.testing.assert_array_equal(read.predicted, made.predicted)
    assert noticed > 0.8 * len(range(0, len(whole), 7))


def test_absent_and_damaged_predictions_can_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_predictions(tmp_path, "test")
    write_predictions(tmp_path, "test", predictions())
    file = predictions_file(tmp_path, "test")
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(BadPredictions, match=r"test\.npz is no intact file of predictions"):
        load_predictions(tmp_path, "test")
    assert read_predictions(tmp_path, "test") is None


def npy(array: Any, *, shape: str | None = None, pickled: bool = False) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asarray(array), version=(1, 0), allow_pickle=pickled)
    written = content.getvalue()
    return written if shape is None else written.replace(b"(2,)", shape.encode().ljust(4))


HUGE = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999, 99999)}"


@pytest.mark.parametrize("member", [
    npy(np.array([print, 1], dtype=object), pickled=True), npy(["a", "b"]), npy([0.5, 0.5]), npy([1, 2], shape="(9,)"),
    npy(np.zeros((2, 2, 2), np.uint8)), b"", b"\x93NUMPY", npy([1, 2])[:-1], npy([1, 2]) + b"1",
    b"\x93NUMPY\x01\x00\x76\x00" + HUGE.ljust(117) + b"\n",
    b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
], ids=range(11))  # fmt: skip
def test_hostile_member_is_refused(tmp_path: Path, member: bytes) -> None:
    write_predictions(tmp_path, "test", predictions(2))
    file = predictions_file(tmp_path, "test")
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, "labels.npy": member}.items():
            archive.writestr(name, content)
    with pytest.raises(BadPredictions):
        load_predictions(tmp_path, "test")


def test_large_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = predictions_file(tmp_path, "test")
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(200):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(BadPredictions, match="its end is not that of a file of predictions"):
        load_predictions(tmp_path, "test")


def test_more_than_can_be_read_again_is_not_written(tmp_path: Path) -> None:
    logits = np.broadcast_to(np.float16(0), (1000, 300_000))
    made = ImagePredictions(*(np.zeros(1000, np.int64),) * 3, *(np.zeros(1000, np.float32),) * 2, logits)
    with pytest.raises(ValueError, match=r"at most 10,000,000 images and 512 MiB"):
        write_predictions(tmp_path, "test", made)
    assert not predictions_file(tmp_path, "test").exists()
