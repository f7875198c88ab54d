"""The check of the test part: what is wrong is found, and no pixel is read."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar_sweep.data import pickles
from cifar_sweep.data.formats import read_images
from cifar_sweep.data.sealed import check_test_data
from cifar_sweep.recipe import DataRecipe
from sweeps.forecast import plan
from sweeps.prepare.prepared import Infeasible
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import Unavailable, load
from tests.cifar_sweep.artificial_data import make_cifar10, make_cifar100, make_folder, make_stl10

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
ARRAYS = {"x_train": PIXELS, "y_train": np.arange(60) % 2, "x_test": PIXELS, "y_test": np.arange(60) % 2}
NPZ = DataRecipe(name="npz", path="own.npz", size=16, channels=1, classes=2)
PETS = DataRecipe(name="folder", path="pets", size=16, channels=3, classes=2, reading=2)
DATA = {"npz": NPZ, "folder": PETS, **{name: DataRecipe(name=name) for name in ("cifar10", "cifar100", "stl10")}}  # type: ignore[arg-type]
OPENED: list[str] | None = None


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if OPENED is not None and event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_record)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Yield the list of all files that are opened in the block, whoever opens them."""
    global OPENED
    OPENED = []
    try:
        yield OPENED
    finally:
        OPENED = None


def save_npz(root: Path, **changes: Any) -> None:
    arrays = {name: value for name, value in {**ARRAYS, **changes}.items() if value is not None}
    np.savez(root / "own.npz", **arrays)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes the data of one format and returns the data folder."""
    makers: dict[str, Callable[[], Any]] = {
        "npz": lambda: save_npz(tmp_path),
        "folder": lambda: make_folder(tmp_path / "pets", classes=2, size=16, per_class=3, test_per_class=2),
        "cifar10": lambda: make_cifar10(tmp_path, per_class=5, test_per_class=1),
        "cifar100": lambda: make_cifar100(tmp_path, per_class=1),
        "stl10": lambda: make_stl10(tmp_path, per_class=1, test_per_class=1, unlabelled=1),
    }

    def write(name: str) -> Path:
        makers[name]()
        return tmp_path

    return write


def rewrite(file: Path, **changes: Any) -> None:
    content = {**pickle.loads(file.read_bytes()), **changes}
    file.write_bytes(pickle.dumps({key: value for key, value in content.items() if value is not None}, protocol=2))


@pytest.mark.parametrize("name", DATA)
def test_test_part_that_is_as_described_passes(make: Callable[[str], Path], name: str):
    assert check_test_data(DATA[name], ["noise"], make(name)) == []


def test_test_part_of_the_digits_passes(tmp_path: Path):
    assert check_test_data(DataRecipe(name="digits", subset=(3, 4)), [], tmp_path) == []


@pytest.mark.parametrize(("changes", "message"), [
    ({"x_test": None}, r"own\.npz has no array 'x_test'; it has x_train, y_train, y_test"),
    ({"y_test": None}, "has no array 'y_test'"),
    ({"x_test": PIXELS / 255}, r"\(.*own\.npz\), test part: expected images of \(16, 16, 1\) uint8 but got .* float64"),
    ({"x_test": PIXELS[:, :8]}, r"expected images of \(16, 16, 1\) uint8 but got \(8, 16, 1\)"),
    ({"x_test": PIXELS[:0], "y_test": np.zeros(0, int)}, "test part is empty"),
    ({"x_test": np.array([{}, {}])}, "x_test has .* bytes"),
    ({"y_test": ARRAYS["y_test"] + 1}, "labels must be 0 to 1 but are 1 to 2"),
    ({"y_test": ARRAYS["y_test"][1:]}, "60 images need as many integer labels"),
    ({"y_test": ARRAYS["y_test"] / 2}, "integer labels"),
])  # fmt: skip
def test_npz_that_is_not_as_described_is_refused(tmp_path: Path, changes: dict[str, Any], message: str):
    save_npz(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        check_test_data(NPZ, [], tmp_path)


@pytest.mark.parametrize(("changes", "message"), [
    ({"labels": None}, "test_batch has no 'labels'"),
    ({"data": np.zeros((10, 3000), np.uint8)}, "test_batch: 'data' must be an array of N x 3072 uint8"),
    ({"labels": [10] * 10}, "labels must be 0 to 9 but are 10 to 10"),
    ({"labels": [0] * 9}, "10 images need as many integer labels"),
])  # fmt: skip
def test_batch_that_is_not_as_described_is_refused(make: Callable[[str], Path], changes: dict[str, Any], message: str):
    root = make("cifar10")
    rewrite(root / "cifar-10-batches-py" / "test_batch", **changes)
    with pytest.raises(ValueError, match=message):
        check_test_data(DATA["cifar10"], [], root)


@pytest.mark.parametrize(("name", "file"), [
    ("cifar10", "cifar-10-batches-py/test_batch"), ("cifar100", "cifar-100-python/test"),
    ("stl10", "stl10_binary/test_X.bin"), ("stl10", "stl10_binary/test_y.bin"), ("npz", "own.npz"),
])  # fmt: skip
def test_absent_or_broken_file_is_named(make: Callable[[str], Path], name: str, file: str):
    root = make(name)
    (root / file).write_bytes((root / file).read_bytes()[:-3])
    with pytest.raises(ValueError, match=rf"{file.split('/')[-1]}|10 images need as many integer labels"):
        check_test_data(DATA[name], [], root)
    (root / file).unlink()
    with pytest.raises(Unavailable, match=rf"no {root / file}"):
        check_test_data(DATA[name], [], root)


def _remove_test(test: Path) -> None:
    test.rename(test.with_name("elsewhere"))


def _remove_class(test: Path) -> None:
    (test / "class_001").rename(test.with_name("elsewhere"))


def _rename_class(test: Path) -> None:
    (test / "class_001").rename(test / "dog")


def _remove_images(test: Path) -> None:
    for file in (test / "class_001").iterdir():
        file.rename(file.with_suffix(".heic"))


def _empty_images(test: Path) -> None:
    for file in (test / "class_001").iterdir():
        file.write_bytes(b"")


@pytest.mark.parametrize(("spoil", "message"), [
    (_remove_test, "no .*pets/test/<class>/<image>.png"),
    (_remove_class, r"pets/test must have the same folders as train/: class_000, class_001; it has class_000$"),
    (_rename_class, "it has class_000, dog"),
    (_remove_images, r"a class has no images; .*\n  .*test/class_001 \(2 files are not read: \.heic 2\)"),
    (_empty_images, r"2 of the images cannot be read; replace or remove:\n  .*\.png is empty\n  .*\.jpg is empty"),
])  # fmt: skip
def test_folder_that_is_not_as_described_is_refused(
    make: Callable[[str], Path], spoil: Callable[[Path], None], message: str
):
    root = make("folder")
    spoil(root / "pets" / "test")
    with pytest.raises((ValueError, Unavailable), match=message):
        check_test_data(PETS, [], root)


def test_files_of_the_test_part_that_are_not_read_are_counted(make: Callable[[str], Path]):
    root = make("folder")
    (root / "pets" / "test" / "class_000" / "notes.txt").write_text("no image")
    assert check_test_data(PETS, [], root) == [f"below {root}/pets/test, 1 file is not read: .txt 1"]


@pytest.mark.parametrize(("changes", "error", "message"), [
    (None, Unavailable, r"evaluate: far: data npz: no .*far\.npz"),
    ({"y_test": ARRAYS["y_test"] + 1}, ValueError, "evaluate: far: .* labels must be 0 to 1 but are 1 to 2"),
    ({"class_names": np.array(["cat", "ant"])}, ValueError, "far: the network knows cat, dog but the set has cat, ant"),
])  # fmt: skip
def test_further_sets_are_checked_too(tmp_path: Path, changes: dict[str, Any] | None, error: type, message: str):
    save_npz(tmp_path, class_names=np.array(["cat", "dog"]))
    if changes is not None:
        np.savez(tmp_path / "far.npz", **{**ARRAYS, **changes})
    with pytest.raises(error, match=message):
        check_test_data(NPZ, ["noise:3", {"name": "far", "data": {"name": "npz", "path": "far.npz"}}], tmp_path)


@pytest.mark.parametrize(("name", "images"), [("folder", "pets/test/"), ("stl10", "test_X.bin")])
def test_no_file_of_test_pixels_is_opened(make: Callable[[str], Path], name: str, images: str):
    root = make(name)
    with opened_files() as opened:
        check_test_data(DATA[name], ["noise"], root)
    assert not [file for file in opened if images in file]
    with opened_files() as opened:
        read_images(DATA[name], root, "test")
    assert [file for file in opened if images in file], "the record of opened files works"


def test_pixels_of_an_npz_are_not_read(tmp_path: Path):
    save_npz(tmp_path)
    content = bytearray((tmp_path / "own.npz").read_bytes())
    place = content.rfind(PIXELS[59].tobytes())
    content[place : place + 16] = bytes(16)  # its checksum is wrong now, for whoever reads to the end
    (tmp_path / "own.npz").write_bytes(content)
    assert check_test_data(NPZ, [], tmp_path) == []
    with pytest.raises(ValueError, match="Bad CRC-32"):
        read_images(NPZ, tmp_path, "test")


@pytest.mark.parametrize("protocol", [2, 5])
def test_pixels_of_a_batch_are_not_made_into_an_array(
    make: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, protocol: int
):
    root = make("cifar10")
    file = root / "cifar-10-batches-py" / "test_batch"
    file.write_bytes(pickle.dumps(pickle.loads(file.read_bytes()), protocol))

    def refuse(array: Any) -> None:
        raise AssertionError(f"pixels of shape {array.shape} were read")

    monkeypatch.setattr(pickles._Array, "value", refuse)
    assert check_test_data(DATA["cifar10"], [], root) == []
    with pytest.raises(AssertionError, match="were read"):
        read_images(DATA["cifar10"], root, "test")


def test_plan_of_a_study_with_a_final_refuses_a_broken_test_part(tmp_path: Path):
    save_npz(tmp_path, y_test=None)
    settings = {
        "name": "own",
        "question": "What becomes of it?",
        "workload": "cifar_sweep",
        "baseline": {
            "data": {"name": "npz", "path": "own.npz", "size": 16, "channels": 1, "classes": 2},
            "batch_size": 16,
        },
        "method": "random",
        "run_cap": 1,
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "parameters": {"optimizer.lr": {"values": [0.1, 0.2]}},
        "final": {"seeds": 2},
    }
    study = parse(from_text(json.dumps(settings), "own.yaml"))
    with pytest.raises(
        Infeasible, match=r"the stage final could not evaluate its models.*own\.npz has no array 'y_test'"
    ):
        plan(study, load("cifar_sweep"), tmp_path, probing=False)
