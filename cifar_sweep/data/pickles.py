"""Reading pickles of images, CIFAR's "python version" and the like, without running what a stranger's may hold."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

# What unpickling a truncated or damaged file may raise.
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


MAX_DEPTH = 20
MAX_ITEMS = 2_000_000  # in lists, those that stand in several places counted in each


class UnsafePickleError(Exception):
    """The file asks for something that a pickle of images never contains, or is no pickle at all."""


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in `path`, of plain values and numpy arrays. Raises UnsafePickleError; OSError as open does.

    Reads what Python 2's and 3's pickles hold, of numpy 1 and 2, at any protocol from 0 to 5.
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
        plain = _Plain()
        found = {key: plain.of(value) for key, value in content.items()}
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path} {error}") from None
    except BROKEN as error:
        raise UnsafePickleError(f"{path} holds an array that is not whole: {error}") from error
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in found.items()}


class _Restricted(pickle._Unpickler):
    """The unpickler that is written in Python: the one in C makes room for as many objects as a file says it will name,
    which may be four billion in a file of twenty bytes."""

    read: Callable[[int], bytes]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._size = size

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(f"refused to load {module}.{name}: only plain values and arrays are read") from None

    def load_bytearray8(self) -> None:
        """As inherited, but no longer than the file: its bytes are written before any is read."""
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self._size:
            raise pickle.UnpicklingError(f"{length} bytes in a file of {self._size}")
        self.append(bytearray(self.read(length)))

    dispatch: ClassVar[dict[int, Any]] = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: load_bytearray8}


class _Function:
    """A function that a pickle may call but not change: of a bare one it could set the attributes."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError("refused to change a function")


def _encode(text: str, codec: str) -> bytes:
    """Bytes as protocol 2 of Python 3 writes them; any other codec would import a module by its name."""
    if codec != "latin1":
        raise UnsafePickleError(f"refused to encode with {codec!r}: only latin1 is")
    return text.encode("latin1")


class _DType:
    """What a pickle says of the type of an array. numpy's own reader of it trusts a damaged or hostile file."""

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in "biufcSUO" or self.dtype.fields is not None:
            raise UnsafePickleError(f"refused to read an array of {self.dtype}: only plain values and arrays are read")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, parts = state[1], state[2:5]
        if any(part is not None for part in parts):
            raise UnsafePickleError("refused to read an array of records: only plain values and arrays are read")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """What a pickle says of an array, piece by piece; `value` is the array once all of it is known."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, kind, self.by_column, self.content = state
        self.dtype = kind.dtype

    def value(self) -> np.ndarray | list[Any]:
        if self.dtype.hasobject:  # a list to us, such as ids
            return list(self.content)
        raw = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        flat = np.frombuffer(raw, self.dtype)
        return flat.reshape(self.shape, order="F" if self.by_column else "C").copy(order="K")


class _Plain:
    """Values with their arrays made, also those in lists and tuples, within limits: a list may hold itself."""

    def __init__(self) -> None:
        self._items = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """`value` with its arrays made. Raises UnsafePickleError for what goes beyond the limits."""
        if isinstance(value, _Array):
            value = value.value()
        if type(value) not in (list, tuple):
            return value
        self._items += len(value)
        if depth > MAX_DEPTH:
            raise UnsafePickleError(f"holds lists nested deeper than {MAX_DEPTH} levels")
        if self._items > MAX_ITEMS:
            raise UnsafePickleError(f"holds lists of more than {MAX_ITEMS:,} items")
        return type(value)(self.of(each, depth + 1) for each in value)


def _reconstruct(kind: type, shape: tuple[int, ...], typecode: bytes | str) -> _Array:
    """The empty array that a pickled array starts as, in the place of numpy's function of this name."""
    if kind is not _Array or shape != (0,):
        raise UnsafePickleError("refused to build anything but an array")
    return _Array()


def _frombuffer(buffer: bytes, kind: _DType, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    """The array that protocol 5 stores as its bytes, in the place of numpy's function of this name."""
    return np.frombuffer(bytearray(buffer), dtype=kind.dtype).reshape(shape, order=order)


def _scalar(kind: _DType, content: bytes) -> Any:
    """A single number of numpy's, in the place of its function `scalar`, but never an object."""
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, dtype=kind.dtype)[0]


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
