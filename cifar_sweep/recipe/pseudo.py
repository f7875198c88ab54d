"""Settings of pseudo-labels: unlabelled images that the network labels itself while it trains."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.schema import Section


class PseudoLabelRecipe(Section):
    """Pseudo-labels (Lee 2013): unlabelled images join the training with the class that the network is sure of."""

    threshold: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="Least softmax probability at which a class becomes an image's label; 0: every image gets one.",
    )
    start_epoch: int = Field(
        default=10, ge=1, description="The first labelling comes after this many epochs of training on the true labels."
    )
    every: int | None = Field(
        default=1,
        ge=1,
        description="Epochs between two labellings; each replaces the labels of the one before. null: a single one.",
    )

    def check(self, epochs: int, unlabelled: object) -> None:
        """Raise ValueError if no image has a pseudo-label in any epoch of the recipe.

        Args:
            epochs: Number of epochs of the recipe.
            unlabelled: Its `data.unlabelled`; None without unlabelled images.
        """
        if unlabelled is None:
            raise ValueError(
                "pseudo_labels is set but data.unlabelled is null: say which images have no labels "
                "(data.unlabelled.path or data.unlabelled.share), or set pseudo_labels to null"
            )
        if self.start_epoch >= epochs:
            raise ValueError(
                f"pseudo_labels.start_epoch is {self.start_epoch} but epochs is {epochs}: "
                "no epoch would be left to train on pseudo-labels"
            )
