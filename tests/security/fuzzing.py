"""What becomes of a study file on the way that the command line takes, and whether that is as promised."""

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
INSIDES = ("Traceback", "pydantic", "<class ", " object at 0x", "ruamel")
"""What a message of ours never says."""


@dataclass
class Seen:
    """How many files were accepted and refused, and those that were neither, each with what went wrong."""

    accepted: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[bytes, str]] = field(default_factory=list)


def fuzz(files: int, seed: int, studies: Sequence[str], folder: Path) -> Seen:
    """Judge `files` hostile files, each drawn by its own number and `seed` so that any of them can be made again."""
    seen = Seen()
    for number in range(files):
        judge(hostile(random.Random(f"{seed}/{number}"), studies), folder / "study.yaml", seen)
    return seen


def judge(content: bytes, path: Path, seen: Seen) -> None:
    """Read, parse and check `content` as `sweep validate` would, and count it in `seen`."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a warning of a library's is no message of ours
            study, _ = load_study(path, Edits())
        assert all(cautions.warnings(study))
        assert parse(from_text(dump(study), "written")) == study, "written down and read again it is another study"
        seen.accepted += 1
    except UserError as error:
        seen.refused += 1
        seen.kinds[type(error).__name__] += 1
        if wrong := clumsy(str(error)):
            seen.broken.append((content, f"{wrong}: {str(error)[:LONGEST_LINE]}"))
    except Exception:  # noqa: BLE001  (any other failure is what is looked for)
        seen.broken.append((content, traceback.format_exc(limit=-8)))


def clumsy(message: str) -> str:
    """What is wrong with a message; empty for a good one."""
    lines = message.split("\n")
    if not all(line.strip() for line in lines):
        return "a message has an empty line"
    if visible(message) != message or len(message.splitlines()) != len(lines):
        return "a message has characters that no terminal should get"
    if len(message) > LONGEST or any(len(line) > LONGEST_LINE for line in lines):
        return "a message is too long to be read"
    if found := next((word for word in INSIDES if word in message), ""):
        return f"a message speaks of {found.strip()}"
    if len(set(lines)) < len(lines):
        return "a message says the same twice"
    return ""
