"""What people see on a terminal: what moves while a command works, and sentences."""

from __future__ import annotations

_SHOW_CURSOR = b"\x1b[?25h"


class Drawn:
    """How many rows of stderr's terminal a live view takes at present; 0 where none is shown."""

    def __init__(self) -> None:
        self.rows = 0

    def erasing(self) -> bytes:
        """Return what erases the view and shows the cursor that it hides, for a process that ends at once."""
        if not self.rows:
            return b""
        up = f"\x1b[{self.rows - 1}A" if self.rows > 1 else ""
        return f"\r{up}\x1b[J".encode() + _SHOW_CURSOR


drawn = Drawn()
