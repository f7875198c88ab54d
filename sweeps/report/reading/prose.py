"""Set the text of a page: unknown words get their explanation, figures keep their units, minus signs are real."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sweeps.report.reading.glossary import TERMS, Term

# Inside these elements text stays as it is: code, and what is a link or a button itself.
KEPT = frozenset({"style", "title", "pre", "code", "button", "noscript", "h1"})
NOT_EXPLAINED = KEPT | {"a", "summary", "h2", "h3", "dt", "label", "legend", "option"}
_TAG = re.compile(r"(<[^>]*>)")
_NAME = re.compile(r"</?([a-z0-9]+)")
_MINUS = re.compile(r"(?<![\w.,:/\-])-(?=\d)")
_NUMBER = r"[+\u2212]?\d[\d.,]*"
_TOGETHER = re.compile(
    rf"{_NUMBER} (?:%|pp)(?!\w)|\b(?:Holm )?p (?:=|&lt;|&gt;) {_NUMBER}|\bn = \d[\d,]*|\bHolm p\b|{_NUMBER} % CI\b"
)
_INTERVAL = re.compile(rf"^({_NUMBER}(?: %| pp)?) (\[{_NUMBER}, {_NUMBER}\])$")
_TERMS = re.compile("|".join(f"(?P<t{place}>{term.pattern})" for place, term in enumerate(TERMS)))


def set_page(html: str) -> tuple[str, list[Term]]:
    """Return a page with explained words and figures that do not break, and the terms that it explains.

    Args:
        html: The page up to its first script, with all foreign text escaped.

    Returns:
        The page, in which the first occurrence of a term in each section is a button that opens its explanation; and
        these terms, in the order of the glossary.
    """
    setter = _Setter()
    text = "".join(map(setter.part, _TAG.split(html)))
    return text, [term for term in TERMS if term.key in setter.used]


class _Setter:
    """Walks over a page: the elements that are open, and the terms explained in the section so far."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.used: set[str] = set()

    def part(self, part: str) -> str:
        if part.startswith("<"):
            self._tag(part)
            return part
        if not part.strip() or KEPT & set(self.open):
            return part
        text = _MINUS.sub("\N{MINUS SIGN}", part)
        explained = "section" in self.open and not NOT_EXPLAINED & set(self.open)
        if "tbody" in self.open:  # a cell may break before its interval only; its words are in the title of the column
            return (
                _INTERVAL.sub(r'<span class="nb">\g<1></span> <span class="nb">\g<2></span>', text)
                if "[" in text
                else text
            )
        pieces = self._explained(text) if explained else [text]
        return "".join(piece if piece.startswith("<") else _unbroken(piece) for piece in pieces)

    def _tag(self, tag: str) -> None:
        match = _NAME.match(tag)
        if match is None or match[1] in ("meta", "link", "br", "wbr", "img", "input", "hr"):
            return
        if tag.startswith("</"):
            while self.open and self.open.pop() != match[1]:
                pass
            return
        self.open.append(match[1])
        if match[1] == "section":
            self.seen = set()

    def _explained(self, text: str) -> Iterator[str]:
        end = 0
        for match in _TERMS.finditer(text):
            term = TERMS[int((match.lastgroup or "t0")[1:])]
            if term.key in self.seen:
                continue
            self.seen.add(term.key)
            self.used.add(term.key)
            # A line may break beside a button, so that its punctuation has to be kept with it.
            start = match.start() - (match.start() > end and text[match.start() - 1] in "([“")
            stop = match.end() + (text[match.end() : match.end() + 1] in tuple(".,;:)]"))
            yield text[end:start]
            word = f'<button type="button" class="term" popovertarget="term-{term.key}">{match[0]}</button>'
            before, after = text[start : match.start()], text[match.end() : stop]
            yield f'<span class="nb">{before}<dfn>{word}</dfn>{after}</span>'
            end = stop
        yield text[end:]


def _unbroken(text: str) -> str:
    return _TOGETHER.sub(lambda match: f'<span class="nb">{match[0]}</span>', text)
