"""A trained network, loaded from a checkpoint: for evaluation, prediction, export and as a teacher."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.augment import Scaling
from cifar_sweep.augment.resize import apply_fit
from cifar_sweep.device.errors import is_out_of_memory, loss
from cifar_sweep.inference.precision import Arithmetic, autocast, resolve_precision
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe, TestTimeAugmentation
from cifar_sweep.recipe.data import Fit
from sweeps.workload import Unavailable

STATE = "state.pt"  # the trainer's file in a checkpoint folder
BATCH = 500
# What torch raises for a file that is none of its own, is cut off or damaged, or has more than tensors in it.
UNREADABLE = (
    *(EOFError, UnpicklingError, RuntimeError, ValueError, LookupError),
    *(TypeError, AttributeError, AssertionError, ArithmeticError, struct.error),
)
REASON_WIDTH = 160  # characters of torch's message about weights that do not fit, which may list every weight
WAY_OUT = "train the run again, or name another one"


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
    precision: Arithmetic
    tta: TestTimeAugmentation = "none"

    @classmethod
    def load(cls, recipe: Recipe, folder: Path, device: torch.device) -> Trained:
        """Load the network that the trainer saved in the checkpoint folder `folder`, onto `device`.

        Raises:
            Unavailable: The file is missing or damaged, or has another network than that of the recipe.
        """
        file = folder / STATE
        state = _read(file, device)
        network = build(recipe.model, recipe.data.shape)
        try:
            network.load_state_dict(state["network"])
            scaling = Scaling(**state["scaling"])
        except (RuntimeError, LookupError, TypeError, AttributeError) as error:
            if loss(error):
                raise
            reason = " ".join(str(error).split())[:REASON_WIDTH]
            raise Unavailable(f"{file} has another network than that of its recipe ({reason}…): {WAY_OUT}") from None
        network = network.to(device).to(memory_format=torch.channels_last).eval()
        precision = resolve_precision(recipe.precision, device.type)
        return cls(network, scaling, device, precision, recipe.tta)

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


def _read(file: Path, device: torch.device) -> Any:
    """Read a checkpoint's file onto `device`. Raises Unavailable where it cannot be read."""
    try:
        return torch.load(file, map_location=device, weights_only=True)
    except OSError as error:
        raise Unavailable(f"{file} cannot be read ({error.strerror}): {WAY_OUT}") from None
    except UNREADABLE as error:
        # On a CPU it is a damaged file that asks for more memory than there is.
        if loss(error) or (device.type != "cpu" and is_out_of_memory(error)):
            raise
        raise Unavailable(f"{file} is cut off, damaged or no file of torch: {WAY_OUT}") from None
