"""The base class of the settings of every model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.schema import Section


class NetworkRecipe(Section):
    """The settings of one network. A model's class adds `name` (a Literal), `head` with its default, and other fields.

    The field `norm`, where a model has it, holds for the whole network: `norm: none` also removes the head's batch
    norms.
    """

    @property
    def batch_statistics(self) -> bool:
        """Whether the network normalises over the batch in training, which requires two images or more per step."""
        norm, head = getattr(self, "norm", None), getattr(self, "head", Head())
        return norm == "batch" or (norm != "none" and (head.batch_norm or head.batch_norm_logits))

    def scaled(self, factor: float) -> dict[str, Any]:
        """Return the settings that multiply every width by `factor`, by dotted key below `model.`.

        They are empty where a model has no widths to scale.
        """
        return {}


def scale_widths(widths: Iterable[int], factor: float) -> list[int]:
    """Return `widths` times `factor`, rounded, each at least 1."""
    return [max(1, round(width * factor)) for width in widths]
