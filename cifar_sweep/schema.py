"""The base of every recipe section, and what a data set looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen group of settings. Strict: "3" and 37.5 are no integers; a float accepts an integer."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Shape:
    """The images of a data set, `size` x `size` pixels of `channels` channels, and how many classes they have."""

    channels: int
    size: int
    classes: int
