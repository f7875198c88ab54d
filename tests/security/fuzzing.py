"""Fuzz study files: each must give a study or one readable message."""

from __future__ import annotations

import random
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sweeps.io.errors import UserError
from sweeps.io.escape import visible
from sweeps.study.document import from_text
from sweeps.study.study import dump, parse
from sweeps.validation import warnings as cautions
from sweeps.validation.loading import Edits, load_study
from tests.security.mutations import hostile

LONGEST_LINE, LONGEST = 2_000, 50_000
INTERNALS = ("Traceback", "pydantic", "<class ", " object at 0x", "ruamel")
"""Words that no message may have: they are internals of Python or of a library."""


@dataclass
class FuzzCounts:
    """Counts of accepted and refused files, and the content and error of each file that was neither."""

    accepted: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[bytes, str]] = field(default_factory=list)


def fuzz(files: int, seed: int, studies: Sequence[str], folder: Path) -> FuzzCounts:
    """Judge `files` hostile files; each depends only on `seed` and its number, so that it can be made again."""
    seen = FuzzCounts()
    for number in range(files):
        judge(hostile(random.Random(f"{seed}/{number}"), studies), folder / "study.yaml", seen)
    return seen


def judge(content: bytes, path: Path, seen: FuzzCounts) -> None:
    """Read and check `content` as `sweep validate` does, and count it in `seen`."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a library's warning would reach the terminal beside our message
            study, _ = load_study(path, Edits())
        assert all(cautions.warnings(study))
        assert parse(from_text(dump(study), "written")) == study, "written down and read again it is another study"
        seen.accepted += 1
    except UserError as error:
        seen.refused += 1
        seen.kinds[type(error).__name__] += 1
        if wrong := message_fault(str(error)):
            seen.broken.append((content, f"{wrong}: {str(error)[:LONGEST_LINE]}"))
    except Exception:  # noqa: BLE001  (any other failure is what is looked for)
        seen.broken.append((content, traceback.format_exc(limit=-8)))


def message_fault(message: str) -> str:
    """Return what is wrong with a message, or "" for a good one."""
    lines = message.split("\n")
    if not all(line.strip() for line in lines):
        return "a message has an empty line"
    if visible(message) != message or len(message.splitlines()) != len(lines):
        return "a message has characters that no terminal should get"
    if len(message) > LONGEST or any(len(line) > LONGEST_LINE for line in lines):
        return "a message is too long to be read"
    if internal_word := next((word for word in INTERNALS if word in message), ""):
        return f"a message speaks of {internal_word.strip()}"
    if len(set(lines)) < len(lines):
        return "a message says the same twice"
    return ""
