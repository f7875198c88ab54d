"""What the settings of every model have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cifar_sweep.models.recipes.head import Head
from cifar_sweep.schema import Section


class NetworkRecipe(Section):
    """The settings of one network. A model's own class adds `name` (a Literal), `head` with its default, and the rest.

    A model with the field `norm` normalises by it everywhere: `norm: none` also takes the head's batch norms away.
    """

    @property
    def batch_statistics(self) -> bool:
        """Whether the network normalises over the batch while it trains, which takes two images or more per step."""
        norm, head = getattr(self, "norm", None), getattr(self, "head", Head())
        return norm == "batch" or (norm != "none" and (head.batch_norm or head.batch_norm_logits))

    def scaled(self, factor: float) -> dict[str, Any]:
        """The settings (dotted, below `model.`) that multiply every width by `factor`; empty where none can be."""
        return {}


def scale_widths(widths: Iterable[int], factor: float) -> list[int]:
    """`widths` times `factor`, rounded, each at least 1."""
    return [max(1, round(width * factor)) for width in widths]
