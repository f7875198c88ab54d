"""Apply a drawn operation to each image: the images that drew operations of the same kind go through it together.

All five maps are one kind, as they differ only in their matrix. Each image keeps its own strength.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws
from cifar_sweep.augment.operations.geometric import warp
from cifar_sweep.augment.operations.primitives import MAPS, PIXEL_CHANGES

IDENTITY = "identity"
# The kinds, by their index: 0 the maps, then each change of pixels, at last no change at all.
MAPPED, PIXEL_CHANGED = 0, {name: index for index, name in enumerate(PIXEL_CHANGES, 1)}
UNCHANGED = 1 + len(PIXEL_CHANGES)
KIND_ON_CPU = "kind_on_cpu"


@dataclass(frozen=True)
class Levels:
    """The range of an operation's strength.

    Attributes:
        start: Strength at level 0.
        end: Strength at level 1; linear between.
        signed: Whether the strength may be negative.
        in_pixels: Whether `start` and `end` are pixels; the strength is then their share of the side, at most 1.
    """

    start: float = 0.0
    end: float = 0.0
    signed: bool = False
    in_pixels: bool = False

    def strength(self, level: Tensor, sign: Tensor, size: int) -> Tensor:
        """Return the strengths (M,) at `level` (M,) in 0..1.

        Args:
            level: (M,) in 0..1.
            sign: (M,) -1 or 1, used where the operation is signed.
            size: Side of the images, in pixels.
        """
        strength = self.start + (self.end - self.start) * level
        if self.in_pixels:
            strength = (strength / size).clamp(max=1)
        return strength * sign if self.signed else strength


def prepare(table: Mapping[str, Levels], operation: Tensor, level: Tensor, sign: Tensor, size: int) -> Draws:
    """Turn drawn operations into the numbers that `apply` takes, on the CPU: 29 bytes for each on the device.

    Args:
        table: The operations to draw from, with the range of their strengths.
        operation: (M, ...) indices into the table; negative: the image stays as it is.
        level: (M, ...) in 0..1.
        sign: (M, ...) -1 or 1.
        size: Side of the images, in pixels.

    Returns:
        `kind` (M, ...) uint8, and the same again as `kind_on_cpu`; `number` (M, ...) that a change of pixels takes; and
        `inverse` (M, ..., 2, 3) of a map.
    """
    kind = torch.full_like(operation, UNCHANGED, dtype=torch.uint8)
    number = torch.zeros(operation.shape)
    inverse = torch.zeros(*operation.shape, 2, 3)
    for index, (name, levels) in enumerate(table.items()):
        members = operation == index
        strength = levels.strength(level[members], sign[members], size)
        if name in MAPS:
            kind[members] = MAPPED
            inverse[members] = MAPS[name](strength)
        elif name != IDENTITY:
            kind[members] = PIXEL_CHANGED[name]
            number[members] = PIXEL_CHANGES[name].number(strength)
    return {"kind": kind, KIND_ON_CPU: kind, "number": number, "inverse": inverse}


def apply(images: Tensor, drawn: Draws) -> Tensor:
    """Apply one operation to each image.

    Args:
        images: (B, C, size, size) in 0..1; overwritten.
        drawn: What `prepare` returned for these B images: (B,), `inverse` (B, 2, 3).
    """
    # How many images there are of each kind is counted on the CPU: a GPU would have to be waited for.
    counts = np.bincount(drawn[KIND_ON_CPU].numpy(), minlength=UNCHANGED)[:UNCHANGED].tolist()
    order = drawn["kind"].argsort(stable=True)[: sum(counts)]
    if len(order) == 0:
        return images
    mapped, *others = torch.split(images[order], counts)
    _, *numbers = torch.split(drawn["number"][order], counts)
    changed = [warp(mapped, drawn["inverse"][order[: counts[MAPPED]]])] if counts[MAPPED] else []
    for pixel_change, members, number in zip(PIXEL_CHANGES.values(), others, numbers, strict=True):
        if len(members):
            changed.append(pixel_change.change(members, number))
    return images.index_copy_(0, order, torch.cat(changed))
