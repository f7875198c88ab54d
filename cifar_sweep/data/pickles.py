"""Read pickles of images, such as CIFAR's "python version", without running code that a file may contain.

Only an allow-list of names can be loaded, and numpy's are replaced by functions of this module: the pieces of an array
are collected and checked before the array is made.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

# Raised by unpickling a truncated or damaged file.
BROKEN = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


MAX_DEPTH = 20  # of nested lists
MAX_ITEMS = 2_000_000  # in all lists together; a list that stands in several places counts in each


class UnsafePickleError(Exception):
    """The file contains something that a pickle of images never does, or is no pickle."""


def read_pickle(path: Path, *, blank: bool = False) -> dict[str, Any]:
    """Return the dictionary in a pickle; its values are plain values and numpy arrays.

    Pickles of Python 2 and 3 and of numpy 1 and 2 are read, at any protocol from 0 to 5. Keys of bytes become text.

    Args:
        path: The file.
        blank: Replace arrays of more than one axis, such as pixels, by zeros of their shape and type that take no
            memory. Their values are passed over and never looked at.

    Raises:
        UnsafePickleError: The file is broken, is no dictionary, or contains anything else.
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        try:
            content = _Restricted(file, path.stat().st_size).load()
        except UnsafePickleError as error:
            raise UnsafePickleError(f"{path}: {error}") from None
        except BROKEN as error:
            reason = f": {error}" if isinstance(error, pickle.UnpicklingError | EOFError) and str(error) else ""
            raise UnsafePickleError(f"{path} is not a whole pickle{reason}") from error
    if not isinstance(content, dict):
        kind = "an array" if isinstance(content, _Array) else f"a {type(content).__name__}"
        raise UnsafePickleError(f"{path} holds {kind}, not a dictionary")
    try:
        converter = _ArrayMaker(blank)
        plain = {key: converter.convert(value) for key, value in content.items()}
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} {error}") from None
    except BROKEN as error:
        raise UnsafePickleError(f"{path} holds an array that is not whole: {error}") from error
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in plain.items()}


class _Restricted(pickle._Unpickler):
    """The unpickler written in Python, restricted to the allow-list.

    The one written in C allocates room for as many objects as a file announces, which may be four billion in a file of
    twenty bytes.
    """

    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._size = size

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement of an allowed name. Raises UnsafePickleError for any other name."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(f"refused to load {module}.{name}: only plain values and arrays are read") from None

    def load_bytearray8(self) -> None:
        """Load a bytearray no longer than the file: the inherited method allocates it before reading any byte."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self._size:
            raise pickle.UnpicklingError(f"{length} bytes in a file of {self._size}")
        self.append(bytearray(self.read(length)))

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: load_bytearray8}


class _Function:
    """A function that a pickle may call but not change: of a bare function it could set the attributes."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError("refused to change a function")


def _encode(text: str, codec: str) -> bytes:
    """Return bytes as protocol 2 of Python 3 stores them. Any other codec would import a module by its name."""
    if codec != "latin1":
        raise UnsafePickleError(f"refused to encode with {codec!r}: only latin1 is")
    return text.encode("latin1")


class _DType:
    """The data type of a pickled array, checked. numpy's own dtype trusts a damaged or hostile state."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biufcSUO" or self.dtype.fields is not None:
            raise UnsafePickleError(f"refused to read an array of {self.dtype}: only plain values and arrays are read")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # The state is (version, byte order, subtype, names, fields, ...); the middle three make an array of records.
        order, parts = state[1], state[2:5]
        if any(part is not None for part in parts):
            raise UnsafePickleError("refused to read an array of records: only plain values and arrays are read")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """A pickled array, whose shape, type and content arrive after it is made; `value` builds it from them."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, kind, self.by_column, self.content = state
        self.dtype = kind.dtype

    def value(self) -> np.ndarray | list[Any]:
        """Return the array; an array of objects, such as ids, as a list."""
        if self.dtype.hasobject:
            return list(self.content)
        # Python 2 pickled the bytes as a string, which is read as latin1.
        raw = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(raw, self.dtype)
        return flat.reshape(self.shape, order="F" if self.by_column else "C").copy(order="K")

    def blank(self) -> np.ndarray:
        """Return zeros in place of the values. Raises ValueError where there are not as many as announced."""
        if self.dtype.hasobject or len(self.content) != prod(self.shape) * self.dtype.itemsize:
            raise ValueError(f"{len(self.content)} bytes are no {self.shape} {self.dtype}")
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)


class _ArrayMaker:
    """Replaces pickled arrays by numpy's, also within lists and tuples, up to limits: a list may contain itself."""

    def __init__(self, blank: bool) -> None:
        self._blank = blank
        self._items = 0

    def convert(self, value: Any, depth: int = 0) -> Any:
        """Return `value` with numpy arrays. Raises UnsafePickleError where it exceeds the limits."""
        if isinstance(value, _Array):
            value = value.blank() if self._blank and len(value.shape) > 1 else value.value()
        if type(value) not in (list, tuple):
            return value
        self._items += len(value)
        if depth > MAX_DEPTH:
            raise UnsafePickleError(f"holds lists nested deeper than {MAX_DEPTH} levels")
        if self._items > MAX_ITEMS:
            raise UnsafePickleError(f"holds lists of more than {MAX_ITEMS:,} items")
        return type(value)(self.convert(item, depth + 1) for item in value)


def _reconstruct(kind: type, shape: tuple[int, ...], typecode: bytes | str) -> _Array:
    """Return the empty array as which a pickled array starts, in place of numpy's function of this name."""
    if kind is not _Array or shape != (0,):
        raise UnsafePickleError("refused to build anything but an array")
    return _Array()


def _frombuffer(buffer: bytes, kind: _DType, shape: tuple[int, ...], order: Literal["C", "F"]) -> _Array:
    """Return the array that protocol 5 stores as its bytes, in place of numpy's function of this name."""
    array = _Array()
    array.__setstate__((1, shape, kind, order == "F", buffer))
    return array


def _scalar(kind: _DType, content: bytes) -> Any:
    """Return a single number, in place of numpy's function `scalar`; never an object."""
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, dtype=kind.dtype)[0]


# The names that a pickle may load, with their replacements. numpy 2 moved its modules from core to _core.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Function(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): _Function(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Function(_scalar),
    ("numpy._core.multiarray", "scalar"): _Function(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Function(_frombuffer),
    ("numpy._core.numeric", "_frombuffer"): _Function(_frombuffer),
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _Function(_encode),
    ("builtins", "bytes"): bytes,
    ("__builtin__", "bytes"): bytes,
}
