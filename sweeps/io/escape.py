"""Foreign text made inert. Names, questions and error texts of a study may hold anything; each output has its rule.

HTML itself is escaped by Jinja2 (`autoescape=True`).
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
    "[": "{[}",  # after a line's end these two would be taken for its arguments
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


def latex_text(text: str) -> str:
    """`text` for a cell of LaTeX: nothing in it is a command, and characters that no font may have are named."""
    return _MINUS.sub("$-$", "".join(_LATEX.get(letter) or _letter(letter) for letter in one_line(text)))


def csv_cell(value: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula: a quote is put before text that begins like one."""
    if not isinstance(value, str):
        return value
    risky = value.startswith(_FORMULA) and not _is_number(value)
    return visible(f"'{value}" if risky else value)


def _letter(letter: str) -> str:
    """ASCII as it is; letters with the accents that LaTeX composes in every encoding; any other by its number."""
    base = unicodedata.normalize("NFD", letter)
    if letter.isascii():
        return letter
    if len(base) == 2 and base[0].isascii() and base[0].isalpha() and base[1] in _ACCENTS:
        return rf"\{_ACCENTS[base[1]]}{{{base[0]}}}"
    return f"{{[}}U+{ord(letter):04X}]"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
