"""The operating systems that studies run on."""

from __future__ import annotations

import sys

from sweeps.io.errors import UserError


class UnsupportedSystem(UserError):
    """Studies do not run on this operating system."""


def require_supported() -> None:
    """Raise UnsupportedSystem on Windows, which has neither the signals nor the file locks that studies need."""
    if sys.platform == "win32":
        raise UnsupportedSystem("studies run on Linux and macOS; on Windows use WSL2, which sees the GPU as well")
