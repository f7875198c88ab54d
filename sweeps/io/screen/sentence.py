"""Sentences on a terminal: they wrap at words, and a figure stays with its unit."""

from __future__ import annotations

import re
from itertools import pairwise

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.text import Text

# The spaces at which a line does not end: before a unit, around a relation, within "Holm p", "95 % CI" and "trial 7".
_UNITS = (
    r"%|pp|ms|s|min|h|bytes|[kMG]B|[KMG]iB|[CG]PU-hours|"
    r"epochs?|runs?|trials?|trainings?|seeds?|pairs?|images?|models?"
)
_BOUND = re.compile(
    rf"(?<=\d) (?=(?:{_UNITS})(?![\w-]))"
    r"|(?<=\w) (?=[=<>≤≥≈±×] ?[\d(+−-])"
    r"|(?<=[=<>≤≥≈±×]) (?=[\d(+−-])"
    r"|(?<=\bHolm) (?=p\b)"
    r"|(?<=%) (?=CI\b)"
    r"|(?<=\d) (?=min \d)"
    r"|(?<=\bmin) (?=\d+ s\b)"
    r"|(?<=\btrial) (?=\d)"
)


class Sentence:
    """A sentence that rich prints: wrapped on a terminal, one line elsewhere.

    Print it with `crop=False`; otherwise rich cuts it at the width that tables have off a terminal.

    Args:
        text: The sentence.
    """

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        ends = _ends(self._text.plain, options.max_width) if console.is_terminal else []
        for line in self._text.divide(ends):
            line.rstrip()
            yield from (segment for segment in line.render(console) if segment.text)
            yield Segment.line()


def wrapped(sentence: str, width: int) -> list[str]:
    """Return the lines of a sentence.

    Args:
        sentence: The sentence, without newlines.
        width: The columns of the terminal. What is longer and has no space is broken.
    """
    starts = [0, *_ends(sentence, width), len(sentence)]
    return [sentence[start:end].rstrip() for start, end in pairwise(starts)]


def _ends(sentence: str, width: int) -> list[int]:
    """Where lines end, as places in the sentence; spaces at an end belong to the line before."""
    ends: list[int] = []
    start, at = 0, 0
    for piece in _pieces(sentence, width):
        if at > start and cell_len(sentence[start : at + len(piece)].rstrip()) > width:
            ends.append(at)
            start = at
        at += len(piece)
    return ends


def _pieces(sentence: str, width: int) -> list[str]:
    """What stays on one line: words with the space behind them, figures with their units."""
    bound = {match.start() for match in _BOUND.finditer(sentence)}
    breaks = [match.end() for match in re.finditer(r"\s+", sentence) if match.start() not in bound]
    pieces = []
    for start, end in zip([0, *breaks], [*breaks, len(sentence)], strict=True):
        piece = sentence[start:end]
        pieces += [piece] if cell_len(piece.rstrip()) <= width else _broken(piece, width)
    return pieces


def _broken(piece: str, width: int) -> list[str]:
    """A piece that is longer than a line, divided at its spaces, and words at any place."""
    words = re.findall(r"\S+\s*|\s+", piece)
    return [word[at : at + width] for word in words for at in range(0, len(word), width)]
