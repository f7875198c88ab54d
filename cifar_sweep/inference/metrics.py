"""Mean loss and accuracy over images, summed where the network runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.augment import Source
from cifar_sweep.inference.precision import autocast
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.recipe import TestTimeAugmentation

BATCH = 500


@dataclass
class Tally:
    """Sums over batches, kept on the device so that no step waits for them."""

    loss: Tensor
    correct: Tensor
    count: int = 0
    confusion: Tensor | None = None  # (classes, classes) int64: true class by row, predicted by column

    @classmethod
    def empty(cls, device: torch.device, classes: int = 0) -> Tally:
        """A tally of nothing yet, which also counts what is taken for what where it is told the number of classes."""
        zero = torch.zeros((), device=device, dtype=torch.float64)
        counts = torch.zeros(classes, classes, device=device, dtype=torch.int64) if classes else None
        return cls(zero, zero.long(), confusion=counts)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch in: its mean loss, its logits (B, classes) and its labels (B,)."""
        predicted = logits.detach().argmax(dim=1)
        self.loss += loss.detach().double() * len(labels)
        self.correct += (predicted == labels).sum()
        self.count += len(labels)
        if self.confusion is not None:
            cells = labels * len(self.confusion) + predicted
            self.confusion.view(-1).index_add_(0, cells, torch.ones_like(cells))  # bincount would wait for the device

    def finite(self) -> bool:
        """Whether the loss is still a number: once NaN or infinite, the sum stays so."""
        return bool(torch.isfinite(self.loss))

    def means(self) -> tuple[float, float]:
        """Mean loss and percentage correct; NaN both when the loss is not finite."""
        if not self.finite():
            return math.nan, math.nan
        return float(self.loss) / self.count, 100 * float(self.correct) / self.count


def measure(
    network: nn.Module, source: Source, index: Tensor, precision: Literal["fp32", "bf16"]
) -> tuple[float, float]:
    """Mean cross-entropy (without label smoothing) and percentage correct over the images `index` (N,) of `source`.

    The network is left in evaluation mode.
    """
    return count_up(network, source, index, precision).means()


@torch.inference_mode()
def count_up(
    network: nn.Module,
    source: Source,
    index: Tensor,
    precision: Literal["fp32", "bf16"],
    classes: int = 0,
    tta: TestTimeAugmentation = "none",
) -> Tally:
    """The tally of what `measure` gives the means of; with `classes` also of what is taken for what.

    With `tta` the logits are the mean over several views of each image.
    """
    network.eval()
    tally = Tally.empty(index.device, classes)
    for batch in torch.split(index, BATCH):
        labels = source.labels[batch]
        with autocast(precision, index.device):
            logits = mean_logits(lambda seen: network(source.scaling(seen)), source.taken(batch), tta)
        tally.add(cross_entropy(logits.float(), labels), logits, labels)
    return tally
