"""A network as training left it: what is evaluated, predicts, is exported, and teaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Scaling
from cifar_sweep.augment.resize import fitted
from cifar_sweep.inference.precision import autocast, resolve_precision
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe, TestTimeAugmentation
from cifar_sweep.recipe.data import Fit

STATE = "state.pt"  # what the trainer saves in a checkpoint folder
BATCH = 500


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, with the scaling of pixels and the precision that it was trained with.

    `tta` is the test-time augmentation that its recipe has.
    """

    network: nn.Module
    scaling: Scaling
    device: torch.device
    precision: Literal["fp32", "bf16"]
    tta: TestTimeAugmentation = "none"

    @classmethod
    def load(cls, recipe: Recipe, folder: Path, device: torch.device) -> Trained:
        """What the trainer saved in `folder`, on `device`: the weights that are to be evaluated."""
        state = torch.load(folder / STATE, map_location=device, weights_only=True)
        network = build(recipe.model, recipe.data.shape)
        network.load_state_dict(state["network"])
        network = network.to(device).to(memory_format=torch.channels_last).eval()
        precision = resolve_precision(recipe.precision, device.type)
        return cls(network, Scaling(**state["scaling"]), device, precision, recipe.tta)

    @torch.no_grad()
    def logits(self, pixels: Tensor, tta: TestTimeAugmentation = "none", fit: Fit | None = None) -> Tensor:
        """The logits (N, classes), float32 and on the device, of `pixels` (N, size, size, stored channels) uint8.

        `fit` is what brings the pixels to the size that the network sees, where they are not at it.
        `tta` (test-time augmentation): the mean over several views of each image (tta.py).
        """
        self.network.eval()
        return torch.cat(
            [mean_logits(self._forward, fitted(part.to(self.device), fit), tta) for part in torch.split(pixels, BATCH)]
        )

    def _forward(self, pixels: Tensor) -> Tensor:
        with autocast(self.precision, self.device):
            logits: Tensor = self.network(self.scaling(pixels))
        return logits.float()
