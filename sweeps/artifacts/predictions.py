"""Predictions for each image of a labelled set, and the npz file in which a run keeps them.

The file is a zip archive of arrays that `numpy.load` reads. Logarithms of probabilities, and logits, are stored in 16
bits, with relative errors below 0.05 %. The classes are stored as they are, so that the accuracy is exact.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sweeps.artifacts.layout import PREDICTIONS, set_slug
from sweeps.io.files import write_atomic

MOST_IMAGES = 10_000_000
MOST_CLASSES = 1 << 24
MOST_BYTES = 512 << 20  # of the arrays of one set, uncompressed
SHA256 = "sha256"  # the member with the hash of all the others

_MOST_HEADER = 4096  # bytes of the header of an array
_WHOLE = ("images", "labels", "predicted")
_REAL = ("top_log_probability", "label_log_probability")
_LOGITS = "logits"
_DTYPES = frozenset(("|u1", "<u2", "<u4", "<i8", "<f2"))
_END = struct.Struct("<4s4H2LH")  # the end of a zip archive without a comment
_MOST_DIRECTORY = 4096  # bytes of the directory of an archive
# What reading a damaged archive raises.
_DAMAGES = (
    *(OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error),
    *(OverflowError, MemoryError, SyntaxError),
)


@dataclass(frozen=True)
class ImagePredictions:
    """The predictions of one network for the N images of a labelled set, of K classes.

    Attributes:
        images: The index of each image in its part of the data, shape (N,) int64: in the training images for
            "validation", in the set itself for every other set.
        labels: The true class, shape (N,) int64.
        predicted: The most probable class, shape (N,) int64.
        top_probability: The probability of the predicted class, shape (N,) float32.
        label_log_probability: The natural logarithm of the probability of the true class, shape (N,) float32. Minus its
            mean is the negative log-likelihood.
        logits: Logits, shape (N, K) float16; None where they are not kept.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    top_probability: NDArray[np.float32]
    label_log_probability: NDArray[np.float32]
    logits: NDArray[np.float16] | None = None

    @classmethod
    def of(
        cls,
        images: ArrayLike,
        labels: ArrayLike,
        predicted: ArrayLike,
        top_probability: ArrayLike,
        label_log_probability: ArrayLike,
        logits: ArrayLike | None = None,
    ) -> ImagePredictions:
        """Make predictions from arrays of any numeric type.

        A probability may be NaN, where a network has given no number.

        Raises:
            ValueError: The arrays have different lengths, an index or a class is negative, or a probability is outside
                [0, 1].
        """
        places, true, chosen = _whole("images", images), _whole("labels", labels), _whole("predicted", predicted)
        top = np.asarray(top_probability, np.float32)
        log = np.asarray(label_log_probability, np.float32)
        kept = None if logits is None else _half(np.asarray(logits))
        shapes = [array.shape for array in (places, true, chosen, top, log)]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or len(shapes[0]) == 0:
            raise ValueError(f"each array needs one value for each of the N images but the shapes are {shapes}")
        if kept is not None and (kept.ndim != 2 or len(kept) != len(top)):
            raise ValueError(f"logits need the shape ({len(top)}, classes) but have {kept.shape}")
        if ((top < 0) | (top > 1.001)).any() or (log > 0.001).any():
            raise ValueError("probabilities are from 0 to 1, and their logarithms at most 0")
        return cls(places, true, chosen, np.minimum(top, 1), np.minimum(log, 0), kept)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each image was predicted as its true class, shape (N,)."""
        return np.equal(self.labels, self.predicted)

    @property
    def accuracy(self) -> float:
        """The accuracy in percent, equal to that of the run to the last bit; NaN for no images."""
        return 100 * float(self.correct.sum()) / len(self) if len(self) else float("nan")


class BadPredictions(Exception):
    """A file of predictions is damaged, too large, or no such file."""


def predictions_file(folder: Path, set_name: str) -> Path:
    """Return the file in the run's `folder` for the labelled set `set_name`, which may be any text."""
    return folder / PREDICTIONS / f"{set_slug(set_name)}.npz"


def write_predictions(folder: Path, set_name: str, predictions: ImagePredictions) -> None:
    """Write the predictions for a labelled set to the run's `folder`, atomically, with the hash of the arrays.

    Raises:
        ValueError: There are more images or bytes than can be read again.
    """
    arrays = _packed(predictions)
    sizes = sum(array.nbytes for array in arrays.values())
    if len(predictions) > MOST_IMAGES or sizes > MOST_BYTES:
        raise ValueError(
            f"predictions of at most {MOST_IMAGES:,} images and {MOST_BYTES >> 20} MiB can be kept, "
            f"but those of {set_name!r} have {len(predictions):,} images and {sizes >> 20} MiB"
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in {**arrays, SHA256: _digest(arrays)}.items():
            # A fixed date: equal predictions are equal files.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy(array), zipfile.ZIP_DEFLATED)
    path = predictions_file(folder, set_name)
    path.parent.mkdir(exist_ok=True)
    write_atomic(path, content.getvalue())


def read_predictions(folder: Path, set_name: str) -> ImagePredictions | None:
    """Read the predictions for a labelled set from the run's `folder`.

    Returns:
        The predictions; None if the run kept none, or if the file is damaged (`load_predictions` tells which).
    """
    try:
        return load_predictions(folder, set_name)
    except (FileNotFoundError, BadPredictions):
        return None


def load_predictions(folder: Path, set_name: str) -> ImagePredictions:
    """Read the predictions for a labelled set from the run's `folder`, and check their hash.

    Sizes are checked before anything is decompressed, so that no file can fill the memory.

    Raises:
        FileNotFoundError: The run kept no predictions for this set.
        BadPredictions: The file is damaged. The message names it.
    """
    path = predictions_file(folder, set_name)
    try:
        with path.open("rb") as file:
            _require_small_directory(file)
            with zipfile.ZipFile(file) as archive:
                return _unpacked(_read_arrays(archive))
    except FileNotFoundError:
        raise
    except _DAMAGES as error:
        raise BadPredictions(f"{path} is no intact file of predictions: {error}") from None


def _packed(predictions: ImagePredictions) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file, in the smallest types that hold them."""
    top_log = np.log(np.maximum(predictions.top_probability, np.finfo(np.float32).tiny))
    arrays: dict[str, NDArray[Any]] = {
        **{name: _smallest(getattr(predictions, name)) for name in _WHOLE},
        "top_log_probability": _half(top_log),
        "label_log_probability": _half(predictions.label_log_probability),
    }
    return arrays if predictions.logits is None else {**arrays, _LOGITS: predictions.logits}


def _unpacked(arrays: Mapping[str, NDArray[Any]]) -> ImagePredictions:
    top = np.exp(arrays["top_log_probability"].astype(np.float32))
    images, labels, predicted = (arrays[name] for name in _WHOLE)
    return ImagePredictions.of(images, labels, predicted, top, arrays["label_log_probability"], arrays.get(_LOGITS))


def _require_small_directory(file: IO[bytes]) -> None:
    """Check the end of an archive, before all of its directory is read into memory. Raises ValueError."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - _END.size - 20))
    before, tail = file.read(20), file.read()
    signature, _, _, _, _, directory, _, comment = _END.unpack(tail)
    large = before.startswith(b"PK\6\7")  # the sizes of a large archive stand elsewhere
    if signature != b"PK\5\6" or comment or large or directory > _MOST_DIRECTORY:
        raise ValueError("its end is not that of a file of predictions")


def _read_arrays(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive. Raises ValueError if their hash, names, types or sizes are not as written."""
    names = {*_WHOLE, *_REAL, SHA256}
    present = {info.filename.removesuffix(".npy") for info in archive.infolist()}
    if present not in (names, names | {_LOGITS}) or len(archive.infolist()) != len(present):
        raise ValueError("its arrays have other names")
    arrays: dict[str, NDArray[Any]] = {}
    remaining = MOST_BYTES
    for name in (*_WHOLE, *_REAL, *sorted(present & {_LOGITS}), SHA256):
        with archive.open(f"{name}.npy") as member:
            arrays[name] = _read_array(member, remaining)
        remaining -= arrays[name].nbytes
    stored = arrays.pop(SHA256)
    if not np.array_equal(stored, _digest(arrays)):
        raise ValueError("the arrays do not match their SHA-256")
    return arrays


def _read_array(member: IO[bytes], most: int) -> NDArray[Any]:
    """Return the array of a member of an archive, of at most `most` bytes."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("an array has another version")
    shape, column_major, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=_MOST_HEADER)
    if dtype.str not in _DTYPES or column_major or not 1 <= len(shape) <= 2:
        raise ValueError(f"an array of type {dtype.str} and shape {shape}")
    if not 0 <= shape[0] <= MOST_IMAGES or not all(0 <= size <= MOST_CLASSES for size in shape[1:]):
        raise ValueError(f"an array of shape {shape}")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size > most:
        raise ValueError(f"more than {MOST_BYTES >> 20} MiB")
    content = member.read(size)
    if len(content) != size or member.read(1):
        raise ValueError("an array is shorter or longer than its header says")
    return np.frombuffer(content, dtype).reshape(shape)


def _npy(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return content.getvalue()


def _digest(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the SHA-256 of names, types, shapes and contents, shape (32,)."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(sha256.digest(), np.uint8)


def _whole(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} need whole numbers but have the type {array.dtype}")
    array = array.astype(np.int64)
    if (array < 0).any():
        raise ValueError(f"{name} are indices from 0 on, but one is {array.min()}")
    return array


def _half(values: NDArray[Any]) -> NDArray[np.float16]:
    # What is beyond the range of 16 bits is cut to it, so that no finite number becomes infinite.
    largest = float(np.finfo(np.float16).max)
    finite = np.isfinite(values)
    return np.where(finite, np.clip(values, -largest, largest), values).astype("<f2")


def _smallest(values: NDArray[np.int64]) -> NDArray[Any]:
    largest = int(values.max()) if values.size else 0
    return values.astype(next(kind for kind in ("<u1", "<u2", "<u4", "<i8") if largest <= np.iinfo(kind).max))
