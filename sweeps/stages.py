"""The stages of a study, each with the parts of the data that it may see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """One stage: its name, and the parts of the data that its runs are handed."""

    name: str
    access: frozenset[str]


SEARCH = Stage("search", access=frozenset({"train", "validation"}))
