"""A trained network, loaded from a checkpoint: for evaluation, prediction, export and as a teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Scaling
from cifar_sweep.augment.resize import apply_fit
from cifar_sweep.inference.precision import autocast, resolve_precision
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe, TestTimeAugmentation
from cifar_sweep.recipe.data import Fit

STATE = "state.pt"  # the trainer's file in a checkpoint folder
BATCH = 500


@dataclass(frozen=True)
class Trained:
    """A network in evaluation mode, with what its training used.

    Attributes:
        network: The network with the weights to evaluate (averaged ones where training averaged them).
        scaling: The scaling of pixels.
        device: Where the network is.
        precision: Its arithmetic.
        tta: The test-time augmentation of its recipe.
    """

    network: nn.Module
    scaling: Scaling
    device: torch.device
    precision: Literal["fp32", "bf16"]
    tta: TestTimeAugmentation = "none"

    @classmethod
    def load(cls, recipe: Recipe, folder: Path, device: torch.device) -> Trained:
        """Load the network that the trainer saved in the checkpoint folder `folder`, onto `device`."""
        state = torch.load(folder / STATE, map_location=device, weights_only=True)
        network = build(recipe.model, recipe.data.shape)
        network.load_state_dict(state["network"])
        network = network.to(device).to(memory_format=torch.channels_last).eval()
        precision = resolve_precision(recipe.precision, device.type)
        return cls(network, Scaling(**state["scaling"]), device, precision, recipe.tta)

    @torch.no_grad()
    def logits(self, pixels: Tensor, tta: TestTimeAugmentation = "none", fit: Fit | None = None) -> Tensor:
        """Return the logits of some images.

        Args:
            pixels: (N, size, size, stored channels) uint8, on any device.
            tta: Test-time augmentation: over which views of an image logits are averaged.
            fit: The resize and crop still to be done; None where the pixels have the network's size.

        Returns:
            (N, classes) float32, on the network's device.
        """
        self.network.eval()
        parts = torch.split(pixels, BATCH)
        return torch.cat([mean_logits(self._forward, apply_fit(part.to(self.device), fit), tta) for part in parts])

    def _forward(self, pixels: Tensor) -> Tensor:
        with autocast(self.precision, self.device):
            logits: Tensor = self.network(self.scaling(pixels))
        return logits.float()
