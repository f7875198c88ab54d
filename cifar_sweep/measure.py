"""Mean loss and accuracy over images, summed where the network runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.augment import Source
from cifar_sweep.precision import autocast

BATCH = 500


@dataclass
class Tally:
    """Sums over batches, kept on the device so that no step waits for them."""

    loss: Tensor
    correct: Tensor
    count: int = 0

    @classmethod
    def empty(cls, device: torch.device) -> Tally:
        """A tally of nothing yet."""
        zero = torch.zeros((), device=device, dtype=torch.float64)
        return cls(zero, zero.long())

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch in: its mean loss, its logits (B, classes) and its labels (B,)."""
        self.loss += loss.detach().double() * len(labels)
        self.correct += (logits.detach().argmax(dim=1) == labels).sum()
        self.count += len(labels)

    def finite(self) -> bool:
        """Whether the loss is still a number: once NaN or infinite, the sum stays so."""
        return bool(torch.isfinite(self.loss))

    def means(self) -> tuple[float, float]:
        """Mean loss and percentage correct; NaN both when the loss is not finite."""
        if not self.finite():
            return math.nan, math.nan
        return float(self.loss) / self.count, 100 * float(self.correct) / self.count


@torch.inference_mode()
def measure(
    network: nn.Module, source: Source, index: Tensor, precision: Literal["fp32", "bf16"]
) -> tuple[float, float]:
    """Mean cross-entropy (without label smoothing) and percentage correct over the images `index` (N,) of `source`.

    The network is left in evaluation mode.
    """
    network.eval()
    tally = Tally.empty(index.device)
    for batch in torch.split(index, BATCH):
        images, labels = source.batch(batch)
        with autocast(precision, index.device):
            logits = network(images)
        tally.add(cross_entropy(logits.float(), labels), logits, labels)
    return tally.means()
