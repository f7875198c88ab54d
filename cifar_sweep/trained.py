"""A network as training left it: what is evaluated, predicts, is exported, and teaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Scaling, Views, gather
from cifar_sweep.models import build
from cifar_sweep.precision import autocast, resolve_precision
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.data import Fit
from cifar_sweep.resize import fitted

STATE = "state.pt"  # what the trainer saves in a checkpoint folder
BATCH = 500
SHIFT = 2  # pixels

TestTimeAugmentation = Literal["none", "flip", "flip_shift"]
# The views that are averaged: (pixels down and right, mirrored). Flips and small shifts: cifar10-airbench
# (Jordan 2024, arXiv 2404.00498) averages six such views.
VIEWS: dict[TestTimeAugmentation, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "flip": ((0, False), (0, True)),
    "flip_shift": tuple((shift, mirrored) for shift in (0, SHIFT, -SHIFT) for mirrored in (False, True)),
}


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, with the scaling of pixels and the precision that it was trained with."""

    network: nn.Module
    scaling: Scaling
    device: torch.device
    precision: Literal["fp32", "bf16"]

    @classmethod
    def load(cls, recipe: Recipe, folder: Path, device: torch.device) -> Trained:
        """What the trainer saved in `folder`, on `device`: the weights that are to be evaluated."""
        state = torch.load(folder / STATE, map_location=device, weights_only=True)
        network = build(recipe.model, recipe.data.shape)
        network.load_state_dict(state["network"])
        network = network.to(device).to(memory_format=torch.channels_last).eval()
        precision = resolve_precision(recipe.precision, device.type)
        return cls(network, Scaling(**state["scaling"]), device, precision)

    @torch.no_grad()
    def logits(self, pixels: Tensor, tta: TestTimeAugmentation = "none", fit: Fit | None = None) -> Tensor:
        """The logits (N, classes), float32 and on the device, of `pixels` (N, size, size, stored channels) uint8.

        `fit` is what brings the pixels to the size that the network sees, where they are not at it.
        `tta` (test-time augmentation): the mean over each image and its mirror image ("flip"), and over both as they
        are and shifted by two pixels to either corner ("flip_shift").
        """
        self.network.eval()
        return torch.cat(
            [self._averaged(fitted(part.to(self.device), fit), tta) for part in torch.split(pixels, BATCH)]
        )

    def _averaged(self, pixels: Tensor, tta: TestTimeAugmentation) -> Tensor:
        views = [self._forward(_view(pixels, shift, mirrored)) for shift, mirrored in VIEWS[tta]]
        return torch.stack(views).mean(dim=0)

    def _forward(self, pixels: Tensor) -> Tensor:
        with autocast(self.precision, self.device):
            logits: Tensor = self.network(self.scaling(pixels))
        return logits.float()


def _view(pixels: Tensor, shift: int, mirrored: bool) -> Tensor:
    """`pixels` (B, size, size, channels) moved by `shift` pixels down and right, zeros coming in, then mirrored."""
    if not shift and not mirrored:
        return pixels
    shifts = torch.full((len(pixels),), -shift, device=pixels.device)
    views = Views(shifts, shifts, torch.full_like(shifts, mirrored, dtype=torch.bool))
    return gather(pixels, torch.arange(len(pixels), device=pixels.device), views)
