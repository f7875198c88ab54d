"""Errors that the user sees as one message with exit code 2, without a traceback."""

import difflib
import re
from collections.abc import Iterable

GO_ON = "run the same command again to go on"  # the way out of many an error
NAMES_SHOWN = 30
# Control characters other than tab and newline, lone surrogates, line separators, and bidirectional marks, which make
# one text look like another.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(Exception):
    """A problem of the request, the files or the machine. The message says what is wrong, where, and what to do.

    A message may quote a file, so control characters in it are made visible.
    """

    def __str__(self) -> str:
        return visible(super().__str__())


class Unavailable(UserError):
    """Something that a study needs is missing on this machine, such as data or weights."""


class Refused(UserError):
    """A request that cannot be carried out as given."""


def unknown(noun: str, name: str, valid: Iterable[str], others: Iterable[str] = (), meant: str = "") -> str:
    """Return the message for an unknown name: the nearest known name, then the valid names.

    Args:
        noun: What `name` should name: "study", "setting".
        name: The unknown name.
        valid: The valid names, which the message lists.
        others: Further names to suggest but not to list.
        meant: The name to suggest; by default the one with the most similar letters.

    Example:
        >>> unknown("method", "byes", ["bayes", "grid"])
        "unknown method 'byes'; did you mean 'bayes'? valid: bayes, grid"
    """
    names = list(valid)
    nearest = [meant] if meant else difflib.get_close_matches(name, [*names, *others], n=1)
    question = f"did you mean {nearest[0]!r}? " if nearest else ""
    if not names:
        return f"unknown {noun} {name!r}; {question or 'there is none to choose from'}".rstrip()
    more = f", … ({len(names)} in all)" if len(names) > NAMES_SHOWN else ""
    return f"unknown {noun} {name!r}; {question}valid: {', '.join(names[:NAMES_SHOWN])}{more}"


def visible(text: str) -> str:
    """Replace every character of `text` that would hide, reorder or break the output by U+FFFD.

    These are control characters other than tab and newline, line separators, lone surrogates and bidirectional marks.
    A terminal would obey some of them.
    """
    return HIDDEN.sub("\ufffd", text)
