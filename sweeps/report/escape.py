"""Foreign text made inert. Names, questions and error texts of a study may hold anything; each output has its rule.

HTML itself is escaped by Jinja2 (`autoescape=True`).
"""

from __future__ import annotations

import html
import re
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*\[|~$]|(?<!\w)_|_(?!\w))")  # an underscore inside a word is only itself
_LINE_START = re.compile(r"^(\d*)([-+=#]|(?<=\d)[.)](?=\s|$))")
_WEB_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")
# Controls but tab and newline, lone surrogates, and right-to-left overrides, by which a text reads as what it is not.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with every character that would hide, reorder or break the output shown as U+FFFD.

    These are control characters other than tab and newline, lone surrogates and bidirectional overrides.
    """
    return _HIDDEN.sub("\ufffd", text)


def one_line(text: str) -> str:
    """`text` with each run of white space made one blank."""
    return " ".join(visible(text).split())


def plotly_text(text: str, longest: int = 60) -> str:
    """`text` for a label of a plotly figure, which would read tags and entities in it; cut at `longest` characters."""
    line = one_line(text)
    short = line if len(line) <= longest else line[: longest - 1] + "…"
    return html.escape(short, quote=False)


def markdown_text(text: str) -> str:
    """`text` for a line or a table cell of Markdown: neither markup, nor HTML, nor a link, nor a second line."""
    line = html.escape(one_line(text), quote=False)
    line = _MARKDOWN.sub(r"\\\1", line)
    line = _LINE_START.sub(r"\1\\\2", line)
    return _WEB_ADDRESS.sub(lambda match: f"{match[1]}&#8203;", line)


def markdown_code(text: str) -> str:
    """`text` as a block of code whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{visible(text).rstrip()}\n{fence}"


def csv_cell(value: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula: a quote is put before text that begins like one."""
    if not isinstance(value, str):
        return value
    risky = value.startswith(_FORMULA) and not _is_number(value)
    return visible(f"'{value}" if risky else value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
