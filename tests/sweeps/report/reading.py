"""Parse a page: its elements, text and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Element:
    """An element with its attributes and all text inside it."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def find(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements below this one with a tag and attributes, in the order of the document."""
        matches = []
        for child in self.children:
            if child.tag == tag and all(child.attributes.get(name) == value for name, value in attributes.items()):
                matches.append(child)
            matches += child.find(tag, **attributes)
        return matches

    def rows(self) -> list[list[str]]:
        """Return the cells of the first table's body."""
        body = self.find("tbody")[0]
        return [[cell.text.strip() for cell in row.find("td")] for row in body.find("tr")]

    def titles(self) -> list[str]:
        """Return the titles of the first table's columns."""
        return [cell.text.strip() for cell in self.find("thead")[0].find("th")]


VOID = frozenset({"meta", "link", "br", "wbr", "img", "input", "hr"})


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("document", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1].tag in ("script", "style"):
            self.open[-1].text += data
            return
        for element in self.open:
            element.text += data


def read_page(path: Path) -> Element:
    """Return the document at `path`. Raises AssertionError if its elements are not nested."""
    builder = _Builder()
    builder.feed(path.read_text(encoding="utf-8"))
    builder.close()
    assert builder.open == [builder.root], "an element is left open"
    return builder.root
