"""Operations by their recipe key, and their application to images."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from cifar_sweep.augment.operations.base import Draws, Noise
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.recipe.augment import AugmentRecipe


def operation(name: str, **settings: Any) -> Any:
    """The operation of the recipe key `name` with these settings."""
    return OPERATIONS[name](getattr(AugmentRecipe.model_validate({name: settings}), name))


def drawn(applied: Any, count: int, seed: int = 0) -> dict[str, Tensor]:
    """The draws of `count` images."""
    return dict(applied.draw(count, np.random.default_rng(seed)))


def changed_by(applied: Any, images: Tensor, draws: Draws) -> Tensor:
    """The images after the operation with these draws."""
    noise = Noise([0], [len(images)], images.device)
    return applied.apply(images.clone(), applied.prepare(draws, images.shape[-1]), noise)
