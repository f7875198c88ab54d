"""What is told to the user as one message, with exit code 2, instead of a traceback."""

import difflib
import re
from collections.abc import Iterable

NAMES_SHOWN = 30
# Controls but tab and newline, lone surrogates, line separators, and right-to-left overrides, by which a text reads as
# what it is not.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(Exception):
    """Something in the request, the files or the machine keeps a command from being carried out; the text says what,
    where and the way out. Whatever a file has put into it, it is printed as text alone."""

    def __str__(self) -> str:
        return visible(super().__str__())


class Unavailable(UserError):
    """Something that a study needs is missing here (data, weights): the text says what, where and the way out."""


def unknown(noun: str, name: str, valid: Iterable[str], others: Iterable[str] = ()) -> str:
    """The rule for a name that does not exist: the nearest of `valid` and `others`, and all the valid ones."""
    names = list(valid)
    nearest = difflib.get_close_matches(name, [*names, *others], n=1)
    question = f"did you mean {nearest[0]!r}? " if nearest else ""
    if not names:
        return f"unknown {noun} {name!r}; {question or 'there is none to choose from'}".rstrip()
    more = f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else ""
    return f"unknown {noun} {name!r}; {question}valid: {', '.join(names[:NAMES_SHOWN])}{more}"


def visible(text: str) -> str:
    """`text` with every character that would hide, reorder or break the output shown as U+FFFD.

    These are control characters other than tab and newline, line separators, lone surrogates and bidirectional marks:
    what a terminal would obey, and what makes a text look like another.
    """
    return HIDDEN.sub("\ufffd", text)
