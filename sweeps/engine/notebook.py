"""Show progress in a notebook: one output of the cell, updated in place."""

from __future__ import annotations

import importlib
import io
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType

UPDATE_S = 0.5  # the browser draws each update anew, so they are rationed
WIDTH = 100
HTML = '<pre style="line-height: 1.2; font-family: monospace; white-space: pre">{code}</pre>'


class NotebookDisplay:
    """An output of the current notebook cell that shows a rich renderable.

    `rich.live.Live` needs ipywidgets in a notebook, and prints a line after another without them.

    Args:
        render: Returns what to show now.
    """

    def __init__(self, render: Callable[[], RenderableType]) -> None:
        self._render = render
        self._handle: Any = None
        self._updated_at = 0.0

    def start(self) -> None:
        """Show the output."""
        self._handle = _ipython().display(self._html(), display_id=True)

    def update(self) -> None:
        """Update the output, unless that was done a moment ago."""
        now = time.monotonic()
        if self._handle is not None and now - self._updated_at >= UPDATE_S:
            self._updated_at = now
            self._handle.update(self._html())

    def stop(self) -> None:
        """Show the last state and leave it in the cell."""
        if self._handle is not None:
            self._handle.update(self._html())

    def _html(self) -> Any:
        # A console of its own: in a notebook rich's default one would print into the cell.
        console = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False, force_terminal=True)
        console.print(self._render())
        return _ipython().HTML(console.export_html(inline_styles=True, code_format=HTML))


def _ipython() -> Any:
    """IPython's display module: a notebook's kernel always has it, and elsewhere this module is not used."""
    return importlib.import_module("IPython.display")
