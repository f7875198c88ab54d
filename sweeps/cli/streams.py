"""Standard output and standard error that neither a reader who leaves nor an old encoding can break.

`sweep run … | head`, a pager that was quit or a terminal that was closed must not end a study, and a terminal without
UTF-8 must not end it either.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe, a terminal
_IN_ASCII = {
    "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{PLUS-MINUS SIGN}": "+/-",
    "\N{MULTIPLICATION SIGN}": "x", "\N{MIDDLE DOT}": "|", "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{GREATER-THAN OR EQUAL TO}": ">=", "\N{LESS-THAN OR EQUAL TO}": "<=", "\N{RIGHTWARDS ARROW}": "->",
    "\N{SUPERSCRIPT TWO}": "^2",
}  # fmt: skip


class _Lasting(io.FileIO):
    """A file descriptor that becomes /dev/null once nobody can read what is written to it."""

    def write(self, data: ReadableBuffer) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _GONE:
                raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())  # for whoever else writes to it, such as a child process
        os.close(nowhere)
        return super().write(data)


def make_lasting() -> None:
    """Replace `sys.stdout` and `sys.stderr`, where they are files of the system."""
    codecs.register_error("in_ascii", _in_ascii)
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def _lasting(stream: TextIO) -> TextIO:
    try:
        stream.flush()
        raw = _Lasting(stream.fileno(), "w", closefd=False)
    except (AttributeError, OSError):  # None where it is closed, text in memory in a test
        return stream
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, errors="in_ascii", line_buffering=True)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write what the encoding lacks with other characters: a lost minus sign would turn a figure into its opposite."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(character, "?") for character in text), error.end
