"""What is told to the user as one message, with exit code 2, instead of a traceback."""

import difflib
from collections.abc import Iterable

NAMES_SHOWN = 30


class UserError(Exception):
    """Something in the request, the files or the machine keeps a command from being carried out; the text says what,
    where and the way out."""


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
