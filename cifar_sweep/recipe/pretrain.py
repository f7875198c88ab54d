"""Settings of the self-supervised pre-training: what the network learns from images before it sees a label."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from cifar_sweep.recipe.augment import AugmentRecipe, Transforms, check
from cifar_sweep.recipe.transforms import ColorJitter, Grayscale, ResizedCrop
from cifar_sweep.schema import Section, Shape


class PretrainRecipe(Section):
    """Pre-training of the body by SimCLR (Chen et al. 2020, arXiv:2002.05709), without labels.

    The optimizer is AdamW with a cosine to zero after a linear warm-up over the first tenth of the epochs: LARS, the
    paper's, is for batches larger than one small GPU holds.
    """

    method: Literal["simclr"] = Field(default="simclr", description="The method.")
    epochs: int = Field(default=100, ge=1, description="Passes over the training images, unlabelled ones included.")
    batch_size: int = Field(
        default=512,
        ge=2,
        description="Images per step, each of them twice: every other image of the batch is a negative example.",
    )
    lr: float = Field(default=1e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="Weight decay of convolution and linear weights, times the learning rate."
    )
    temperature: float = Field(default=0.5, gt=0, description="Divides the similarities (-1 to 1) of views.")
    projection: int = Field(
        default=128, ge=1, le=8192, description="Outputs of the projection head, which is discarded afterwards."
    )
    augment: Transforms | None = Field(
        default=None,
        description="Augmentation that makes the two views; null: the paper's for CIFAR (a part of 8 to 100 % of the "
        "area, flip, colour jitter, grayscale), without colour operations for images of one channel.",
    )

    def views(self, channels: int) -> AugmentRecipe:
        """Return the augmentation that makes each of the two views of an image with `channels` channels."""
        transforms = simclr_views(channels) if self.augment is None else self.augment
        return AugmentRecipe(**{name: getattr(transforms, name) for name in Transforms.model_fields})

    def check(self, shape: Shape) -> None:
        """Raise ValueError, naming the key, if the views do not fit images of this shape."""
        try:
            check(self.views(shape.channels), shape)
        except ValueError as error:
            raise ValueError(f"pretrain.{error}") from None

    @model_validator(mode="after")
    def _views_mix_no_images(self) -> PretrainRecipe:
        if self.augment is not None and self.augment.mix is not None:
            raise ValueError("augment.mix is set but pre-training has no labels to mix: set it to null")
        return self


def simclr_views(channels: int) -> Transforms:
    """Return the paper's views for CIFAR-10 (its appendix B.9): colour distortion of strength 0.5, no blur."""
    is_colour = channels == 3
    jitter = ColorJitter(
        p=0.8, brightness=0.4, contrast=0.4, saturation=0.4 if is_colour else 0.0, hue=0.1 if is_colour else 0.0
    )
    return Transforms(
        crop=0,
        flip=True,
        resized_crop=ResizedCrop(),
        color_jitter=jitter,
        grayscale=Grayscale(p=0.2) if is_colour else None,
    )
