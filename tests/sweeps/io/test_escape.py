from __future__ import annotations

from typing import Any

import pytest

from sweeps.io.escape import csv_cell, latex_text, markdown_code, markdown_text, plotly_text, visible


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-cmd", "'-cmd"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\ufffd=1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("\t1", "'\t1"),
        (-0.5, -0.5),
        ("sgd", "sgd"),
        (None, None),
    ],
)
def test_a_spreadsheet_takes_no_cell_for_a_formula(value: Any, safe: Any) -> None:
    assert csv_cell(value) == safe


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x85", "\u202e", "\u2066", "\ud800"])
def test_characters_that_hide_or_reorder_text_are_made_visible(hidden: str) -> None:
    assert visible(f"a{hidden}b\tc\nd") == "a\ufffdb\tc\nd"


def test_plotly_reads_neither_tags_nor_entities_nor_lines() -> None:
    assert plotly_text("<b>a</b> &lt;\nc") == "&lt;b&gt;a&lt;/b&gt; &amp;lt; c"


def test_a_long_label_is_cut_before_it_is_escaped() -> None:
    assert plotly_text("<" * 80, longest=5) == "&lt;" * 4 + "…"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a | b", "a \\| b"),
        ("two\nlines", "two lines"),
        ("<script>", "&lt;script&gt;"),
        ("[a](javascript:b)", "\\[a](javascript:b)"),
        ("![a](b)", "!\\[a](b)"),
        ("`code` *b* _i_", "\\`code\\` \\*b\\* \\_i\\_"),
        ("val_accuracy", "val_accuracy"),
        ("# title", "\\# title"),
        ("1. item", "1\\. item"),
        ("97.80 %", "97.80 %"),
        ("- item", "\\- item"),
        ("http://a.example", "http&#8203;://a.example"),
    ],
)
def test_markdown_reads_foreign_text_as_text(text: str, safe: str) -> None:
    assert markdown_text(text) == safe


def test_a_fence_is_longer_than_any_inside() -> None:
    assert markdown_code("a\n````\n# out") == "`````\na\n````\n# out\n`````"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a_b & 5 % of $x", r"a\_b \& 5 \% of \$x"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("[a] *b", "{[}a] {*}b"),
        ("-7.10 pp [-8.00, +1.20]", "$-$7.10 pp {[}$-$8.00, +1.20]"),
        ("2026-03-01 e-4 re-tuned", "2026-03-01 e-4 re-tuned"),
        ("± × ≤ –", r"$\pm$ $\times$ $\leq$ --"),
        ("é ü č", r"\'{e} \"{u} \v{c}"),
        ("网", "{[}U+7F51]"),
        ("two\nlines", "two lines"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
    ],
)
def test_latex_sees_text_and_no_command(text: str, safe: str) -> None:
    assert latex_text(text) == safe
    assert latex_text(text).isascii()
