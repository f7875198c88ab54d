"""Reading pickles of images, CIFAR's "python version" and the like, without running what a stranger's may hold."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any, Literal

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
    TypeError,
    ValueError,
    struct.error,
)


class UnsafePickleError(Exception):
    """The file asks for something that a pickle of images never contains, or is no pickle at all."""


def read_pickle(path: Path) -> dict[str, Any]:
    """The dictionary in `path`, of plain values and numpy arrays. Raises UnsafePickleError; OSError as open does.

    Reads what Python 2's and 3's pickles hold, of numpy 1 and 2, at any protocol from 0 to 5.
    """
    with path.open("rb") as file:
        try:
            content = _Restricted(file, encoding="latin1").load()
        except UnsafePickleError as error:
            raise UnsafePickleError(f"{path}: {error}") from None
        except BROKEN as error:
            raise UnsafePickleError(f"{path} is not a whole pickle: {error}") from error
    if not isinstance(content, dict):
        raise UnsafePickleError(f"{path} holds a {type(content).__name__}, not a dictionary")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in content.items()}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(f"refused to load {module}.{name}: only plain values and arrays are read") from None


def _encode(text: str, codec: str) -> bytes:
    """Bytes as protocol 2 of Python 3 writes them; any other codec would import a module by its name."""
    if codec != "latin1":
        raise UnsafePickleError(f"refused to encode with {codec!r}: only latin1 is")
    return text.encode("latin1")


def _reconstruct(kind: type, shape: tuple[int, ...], typecode: bytes | str) -> np.ndarray:
    """The empty array that a pickled array starts as, as numpy's function of this name makes it."""
    if kind is not np.ndarray or shape != (0,):
        raise UnsafePickleError("refused to build anything but an array")
    return np.ndarray(shape, dtype=np.int8)


def _frombuffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    """The array that protocol 5 stores as its bytes, as numpy's function of this name makes it. No objects."""
    return np.frombuffer(bytearray(buffer), dtype=dtype).reshape(shape, order=order)


def _scalar(dtype: np.dtype, content: bytes) -> Any:
    """A single number of numpy's, as its function `scalar` makes it, but never an object."""
    return np.frombuffer(content, dtype=dtype)[0]


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): bytes,
    ("__builtin__", "bytes"): bytes,
}
