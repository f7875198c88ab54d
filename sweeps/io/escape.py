"""Escape foreign text for each output format: Plotly, Markdown, LaTeX and CSV.

Names, questions and error texts of a study may contain anything. Jinja2 escapes the HTML itself (`autoescape=True`).
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

from sweeps.io.errors import visible

__all__ = ["csv_cell", "latex_text", "markdown_code", "markdown_text", "one_line", "plotly_text", "visible"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN = re.compile(r"([\\`*\[|~$]|(?<!\w)_|_(?!\w))")  # an underscore inside a word is only itself
_LINE_START = re.compile(r"^(\d*)([-+=#]|(?<=\d)[.)](?=\s|$))")
_WEB_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])")
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030c": "v", "\u0327": "c"}
_MINUS = re.compile(r"(?<![\w.-])-(?=\.?\d)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # LaTeX would take "[" and "*" at the start of a row for arguments of the line end before
    "*": "{*}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def one_line(text: str) -> str:
    """Collapse each run of white space in `text` to one blank."""
    return " ".join(visible(text).split())


def plotly_text(text: str, longest: int = 60) -> str:
    """Escape `text` for a label of a Plotly figure and cut it to `longest` characters.

    Plotly interprets tags and entities in labels.
    """
    line = one_line(text)
    short = line if len(line) <= longest else line[: longest - 1] + "…"
    return html.escape(short, quote=False)


def markdown_text(text: str) -> str:
    """Escape `text` for one line or one table cell of Markdown, without markup, HTML or links."""
    line = html.escape(one_line(text), quote=False)
    line = _MARKDOWN.sub(r"\\\1", line)
    line = _LINE_START.sub(r"\1\\\2", line)
    # A zero-width space breaks up addresses, which GitHub and others turn into links even without markup.
    return _WEB_ADDRESS.sub(lambda match: f"{match[1]}&#8203;", line)


def markdown_code(text: str) -> str:
    """Return `text` as a Markdown code block. Its fence is longer than any run of backticks in `text`."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{visible(text).rstrip()}\n{fence}"


def latex_text(text: str) -> str:
    """Escape `text` for a table cell of LaTeX.

    Letters with common accents become LaTeX accents; any other non-ASCII letter becomes its code point, because the
    font may lack it.
    """
    return _MINUS.sub("$-$", "".join(_LATEX.get(letter) or _letter(letter) for letter in one_line(text)))


def csv_cell(value: Any) -> Any:
    """Return `value` as a cell that a spreadsheet does not run: text that begins like a formula gets a quote in front.

    Numbers stay as they are, also as text. Unlike `sweeps.io.csv.quoted` this is for files that are not read back.
    """
    if not isinstance(value, str):
        return value
    risky = value.startswith(_FORMULA) and not _is_number(value)
    return visible(f"'{value}" if risky else value)


def _letter(letter: str) -> str:
    """Return a letter for LaTeX: ASCII unchanged, common accents composed, any other letter as its code point."""
    base = unicodedata.normalize("NFD", letter)
    if letter.isascii():
        return letter
    if len(base) == 2 and base[0].isascii() and base[0].isalpha() and base[1] in _ACCENTS:
        return rf"\{_ACCENTS[base[1]]}{{{base[0]}}}"
    return f"{{[}}U+{ord(letter):04X}]"


def _is_number(text: str) -> bool:
    """Whether `text` is a number without white space around it."""
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
