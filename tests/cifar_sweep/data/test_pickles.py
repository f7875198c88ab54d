"""Pickles of all versions are read; hostile and damaged ones are refused."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar_sweep.data import pickles
from cifar_sweep.data.pickles import UnsafePickleError, read_pickle

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 12)

# {"data": np.arange(24, dtype=np.uint8).reshape(2, 12), "labels": [3, 1]} as Python 2 with an old numpy writes it.
PYTHON_2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
    b"(K\x01K\x02K\x0c\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
    b"K\x00tb\x89U\x18" + bytes(range(24)) + b"tbU\x06labelsq\x08]q\x09(K\x03K\x01eu."
)


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    return tmp_path / "data_batch_1"


def dump(path: Path, content: Any, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_batches_of_python_3_are_read_at_any_protocol(batch: Path, protocol: int):
    content = read_pickle(dump(batch, {"data": PIXELS, "labels": [3, 1], "names": [b"\xe9", b""]}, protocol))
    assert np.array_equal(content["data"], PIXELS)
    assert content["labels"] == [3, 1]
    assert content["names"] == [b"\xe9", b""]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_in_any_order_of_memory_and_single_numbers_are_read(batch: Path, protocol: int):
    columns = np.asfortranarray(PIXELS)
    content = read_pickle(dump(batch, {"data": columns, "ids": [np.int64(7), np.str_("a")]}, protocol))
    assert np.array_equal(content["data"], PIXELS)
    content["data"][0] = 1  # as an array that numpy unpickled, it can be written to
    assert content["ids"] == [7, "a"]


def test_a_damaged_file_is_refused_or_read_but_never_fails_otherwise(batch: Path):
    generator = np.random.default_rng(0)
    whole = pickle.dumps({"data": PIXELS, "labels": [3, 1]}, protocol=4)
    refused = []
    for _ in range(300):
        damaged = bytearray(whole)
        for place in generator.integers(2, len(whole), 3):
            damaged[place] = generator.integers(128, 256)
        batch.write_bytes(damaged)
        try:
            read_pickle(batch)
        except UnsafePickleError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert all(str(batch) in message for message in refused)


@pytest.mark.parametrize("array", [
    np.zeros(2, [("x", "u1")]), np.zeros(2, "M8[s]"), np.zeros(2, np.dtype([("x", "u1")])).view(np.recarray),
])  # fmt: skip
def test_arrays_of_anything_but_plain_values_are_refused(batch: Path, array: np.ndarray):
    with pytest.raises(UnsafePickleError, match="only plain values and arrays are read"):
        read_pickle(dump(batch, {"data": array}))


def test_an_array_of_objects_is_a_list_of_plain_values(batch: Path):
    assert read_pickle(dump(batch, {"ids": np.array(["a", 1, None], dtype=object)}))["ids"] == ["a", 1, None]


@pytest.mark.parametrize("kind", [">i4", "<f8", "U3", "S2", "?"])
def test_arrays_of_every_plain_kind_are_read(batch: Path, kind: str):
    array = np.array([1, 0, 1]).astype(kind)
    arrays = read_pickle(dump(batch, {"data": [array, (array,)]}))["data"]
    assert arrays[0].dtype == array.dtype
    assert np.array_equal(arrays[0], array)
    assert np.array_equal(arrays[1][0], array)


def test_an_object_in_place_of_a_number_is_refused(batch: Path):
    dump(batch, {"data": Attack(np.float64(0).__reduce__()[0], np.dtype("O"), b"12345678")})
    with pytest.raises(UnsafePickleError, match="is not a whole pickle"):
        read_pickle(batch)


def test_batches_of_python_2_are_read(batch: Path):
    batch.write_bytes(PYTHON_2)
    content = read_pickle(batch)
    assert np.array_equal(content["data"], PIXELS)
    assert content["labels"] == [3, 1]


@pytest.mark.parametrize(("ours", "theirs"), [(b"numpy._core.multiarray", b"numpy.core.multiarray")])
def test_arrays_of_numpy_1_and_2_are_read(batch: Path, ours: bytes, theirs: bytes):
    raw = pickle.dumps({"data": PIXELS}, protocol=2)
    assert (ours in raw) or (theirs in raw)
    for name in (ours, theirs):
        batch.write_bytes(raw.replace(ours, theirs).replace(theirs, name))
        assert np.array_equal(read_pickle(batch)["data"], PIXELS)


def test_keys_of_bytes_become_text(batch: Path):
    assert read_pickle(dump(batch, {b"labels": [1]}, protocol=3)) == {"labels": [1]}


class Attack:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch owned",)),
        (eval, ("open('owned', 'w')",)),
        (OrderedDict, ()),
        (np.load, ("owned",)),
        (getattr, ({}, "keys")),
        (pickle.loads, (b"N.",)),
    ],
)
def test_a_pickle_that_calls_anything_else_is_refused(
    batch: Path, monkeypatch: pytest.MonkeyPatch, function: Any, arguments: tuple, protocol: int
):
    monkeypatch.chdir(batch.parent)
    dump(batch, {"data": Attack(function, *arguments)}, protocol)
    with pytest.raises(UnsafePickleError, match=rf"{batch}: refused to load .*\.{function.__name__}"):
        read_pickle(batch)
    assert not Path("owned").exists()


def test_encoding_by_a_named_module_is_refused(batch: Path):
    import _codecs

    dump(batch, {"data": Attack(_codecs.encode, "x", "rot13")})
    with pytest.raises(UnsafePickleError, match="refused to encode with 'rot13'"):
        read_pickle(batch)


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps({"data": PIXELS})[:-40], b"\x80\x02cnumpy\ndtype\nR."]
)
def test_a_broken_file_is_named(batch: Path, content: bytes):
    batch.write_bytes(content)
    with pytest.raises(UnsafePickleError, match=str(batch)):
        read_pickle(batch)


ROWS = b"\x80\x02}X\x01\x00\x00\x00a"  # {"a": ... at protocol 2


def doubled(times: int) -> bytes:
    """A list of two lists of two lists ..., of a few bytes each time: 2**times items, all of them one."""
    lists = (b"](" + 2 * (b"h" + bytes([place])) + b"eq" + bytes([place + 1]) + b"0" for place in range(times))
    return ROWS + b"](K\x01K\x01eq\x000" + b"".join(lists) + b"h" + bytes([times]) + b"s."


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (ROWS + b"]" * 5000 + b"a" * 4999 + b"s.", "nested deeper than 20 levels"),
        (ROWS + b"]q\x00h\x00as.", "nested deeper than 20 levels"),
        (doubled(16), "more than 10,000 items"),
        (doubled(40), "nested deeper than 20 levels"),
        (b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"x.", "1099511627776 bytes in a file of"),
        (b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x.", "is not a whole pickle"),
    ],
)
def test_a_small_file_that_would_fill_the_memory_is_refused(
    batch: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
):
    monkeypatch.setattr(pickles, "MAX_ITEMS", 10_000)  # two hundred times less, for speed
    batch.write_bytes(content)
    with pytest.raises(UnsafePickleError, match=rf"{batch}.* {why}"):
        read_pickle(batch)


def test_memory_is_allocated_for_present_objects_not_for_announced_ones(batch: Path):
    batch.write_bytes(ROWS + b"K\x01r\xff\xff\xff\x0fs.")  # the 268,435,455th object, for which C would take 4 GiB
    tracemalloc.start()
    try:
        assert read_pickle(batch) == {"a": 1}
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_changing_an_allowed_function_is_refused(batch: Path):
    batch.write_bytes(b"\x80\x02cnumpy.core.multiarray\nscalar\n(N}X\x05\x00\x00\x00ownedK\x01stb0}.")
    with pytest.raises(UnsafePickleError, match="refused to change a function"):
        read_pickle(batch)


def test_a_pickle_of_something_else_is_refused(batch: Path):
    with pytest.raises(UnsafePickleError, match="holds a list, not a dictionary"):
        read_pickle(dump(batch, [1, 2]))
