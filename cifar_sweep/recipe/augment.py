"""What happens to the pixels."""

from __future__ import annotations

from pydantic import Field

from cifar_sweep.section import Section


class AugmentRecipe(Section):
    """What happens to the pixels on their way into the network."""

    crop: int = Field(
        default=4, ge=0, description="Pixels of zero padding that a random crop may shift by; 0: no crop."
    )
    flip: bool = Field(default=True, description="Whether half of the training images are mirrored at random.")
    normalise: bool = Field(
        default=True, description="Whether each channel is brought to mean 0 and deviation 1 of the training images."
    )
