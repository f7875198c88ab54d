"""Sentences wrap at words at any width from 40 columns, and a figure keeps its unit."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sweeps.io.screen.sentence import Sentence, wrapped

SENTENCE = (
    "Removing batch_norm lowered validation accuracy by 2.31 pp to 98.11 % (95 % CI 1.2 to 3.4, n = 7 pairs, "
    "Holm p = 0.047); 3.4 GPU-hours, 3 min 20 s of CPU time, trial 12 of 240 trials, about 1,024 MiB."
)
FIGURES = [
    *("2.31 pp", "98.11 %", "95 % CI", "n = 7 pairs", "Holm p = 0.047", "3.4 GPU-hours", "3 min 20 s", "trial 12"),
    *("240 trials", "1,024 MiB"),
]


@pytest.mark.parametrize("width", range(40, 121))
def test_no_line_is_too_wide_and_no_figure_is_cut_from_its_unit(width: int) -> None:
    lines = wrapped(SENTENCE, width)
    assert max(map(cell_len, lines)) <= width
    assert " ".join(lines) == SENTENCE  # only spaces were ends of lines: no word is broken
    for figure in FIGURES:
        assert any(figure in line for line in lines), figure


def test_word_that_is_longer_than_a_line_is_broken() -> None:
    assert wrapped("see " + "x" * 90 + " there", 40) == ["see", "x" * 40, "x" * 40, "x" * 10 + " there"]


def test_bound_words_that_are_longer_than_a_line_are_divided_at_a_space() -> None:
    assert wrapped("n = " + "7" * 38 + " pairs", 40) == ["n =", "7" * 38, "pairs"]


@pytest.mark.parametrize(("terminal", "lines"), [(True, 6), (False, 1)])
def test_sentence_is_one_line_in_a_file_however_long_and_keeps_its_style(terminal: bool, lines: int) -> None:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=40, color_system="standard" if terminal else None
    )
    console.print(Sentence(Text.assemble(("warning: ", "bold"), SENTENCE)), crop=False)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count("\n") == lines
    assert re.sub(r"\x1b\[\d*m", "", shown).split() == f"warning: {SENTENCE}".split()
    assert ("\x1b[1m" in shown) == terminal


def test_empty_sentence_is_an_empty_line() -> None:
    assert wrapped("", 40) == [""]
