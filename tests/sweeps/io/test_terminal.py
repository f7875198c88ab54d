"""Tables on narrow terminals: no figure is cut, no line is too wide."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from sweeps.io.terminal import table, text

WIDTHS = (30, 40, 60, 80, 200)
FIGURE = re.compile(r"[\d.,]*\d[\d.,e-]*")


def printed(shown: Table, width: int) -> str:
    """A table as a terminal of this width shows it."""
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def trials() -> Table:
    made = table("", "trial 10", "trial 2", "trial 33", numbers=("trial 10", "trial 2", "trial 33"))
    made.add_row("validation accuracy", "91.2345 %", "90.1234 %", "89.5 %")
    made.add_row("trainable_parameters", "11,173,962", "1,234,567", "900")
    made.add_row("optimizer.weight_decay", "0.0001235", "1.5e-5", "3.25e-4")
    made.add_row("model.widths", "[64, 128, 256, 512, 1024, 2048, 4096, 8192]", "[8]", "[16, 32]")
    return made


def studies() -> Table:
    made = table("study", "trials", "best", "statuses", "question", numbers=("trials",))
    question = "Which ResNet under 5,000,000 parameters is best?"
    rows = [
        ("a_study_with_a_long_name", "12/60", "0.00012", "10 complete, 2 pruned", question),
        ("b", "1,000/1,000", "93.21 %", "999 complete, 1 failed; ablation: 3 arms, 12 complete", "Why [red]?"),
        ("学習率", "3/4", "1e-5", "3 complete", "どの学習率がよいか"),
    ]
    for row in rows:
        made.add_row(*map(text, row))
    return made


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("made", [trials, studies])
def test_figures_are_whole_and_lines_fit(made: Callable[[], Table], width: int) -> None:
    output = printed(made(), width)
    assert "…" not in output
    assert max(cell_len(line.rstrip()) for line in output.splitlines()) <= width
    shown = FIGURE.findall(output)
    for column in made().columns:
        for figure in FIGURE.findall(" ".join(str(cell) for cell in (column.header, *column.cells))):
            assert figure in shown, figure


def test_table_that_fits_is_one_table_and_a_wide_one_repeats_the_titles_of_its_rows() -> None:
    assert printed(trials(), 200).count("weight_decay") == 1
    assert printed(trials(), 44).count("optimizer.we") > 1


def test_text_of_a_study_is_no_markup() -> None:
    assert "Why [red]?" in printed(studies(), 200)
