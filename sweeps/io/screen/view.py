"""A live view on a terminal that leaves no residue, also where the terminal is resized."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult
from rich.live import Live
from rich.segment import ControlType, Segment

from sweeps.io.screen import drawn


class LiveView(Live):
    """A view that is drawn again four times a second, and erased at the end.

    Args:
        console: The terminal.
        render: Returns what to show now.
    """

    def __init__(self, console: Console, render: Callable[[], RenderableType]) -> None:
        self._measured = _Measured(render)
        self._drawn_width = console.width
        # Where stdout is a file, what is printed meanwhile belongs there.
        redirect = sys.stdout is not None and sys.stdout.isatty()
        super().__init__(
            console=console,
            get_renderable=lambda: self._measured,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=redirect,
        )

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return what rich draws, after the last view has been erased where it has been wrapped anew."""
        drawn = super().process_renderables(renderables)
        width, self._drawn_width = self._drawn_width, self.console.width
        if width != self.console.width and self._measured.lengths:
            return [_Erased(self._measured.lengths, self.console.width), *drawn]
        return drawn

    def stop(self) -> None:
        """Erase the view."""
        super().stop()
        drawn.rows = 0


class _Measured:
    """Renders a view and remembers how long its lines were."""

    def __init__(self, render: Callable[[], RenderableType]) -> None:
        self._render = render
        self.lengths: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._render(), options, pad=False)
        self.lengths = [Segment.get_line_length(line) for line in lines]
        drawn.rows = min(len(lines), console.height)
        for line in lines:
            yield from line
            yield Segment.line()


class _Erased:
    """Erases a view whose lines the terminal has wrapped, and leaves the cursor where rich takes it to be.

    Rich erases as many rows as it has drawn, but a terminal that becomes narrower wraps a row into several ones.
    """

    def __init__(self, lengths: list[int], width: int) -> None:
        self._rows = sum(max(1, -(-length // width)) for length in lengths)
        self._lines = len(lengths)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        yield Segment(f"\r{up}\x1b[J" + "\n" * (self._lines - 1), None, [(ControlType.CARRIAGE_RETURN,)])
