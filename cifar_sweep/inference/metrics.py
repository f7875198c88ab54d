"""Mean loss, accuracy and confusions over images, summed on the device that the network runs on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cifar_sweep.augment import Source
from cifar_sweep.device.exchange import read
from cifar_sweep.device.float64 import sum_type
from cifar_sweep.inference.image_predictions import PredictionLog
from cifar_sweep.inference.precision import Arithmetic, autocast
from cifar_sweep.inference.tta import mean_logits
from cifar_sweep.recipe import TestTimeAugmentation

BATCH = 500


@dataclass
class Tally:
    """Sums over batches, kept on the device so that no step waits for it.

    Attributes:
        loss: () float64 (float32 on Apple's GPUs), the sum of the images' losses.
        correct: () int64, the number of images whose most probable class is the true one.
        count: Number of images.
        confusion: (classes, classes) int64, numbers of images by true class (row) and predicted class (column); None
            where they are not counted.
        predictions: The prediction for each image; None where they are not kept.
    """

    loss: Tensor
    correct: Tensor
    count: int = 0
    confusion: Tensor | None = None
    predictions: PredictionLog | None = None

    @classmethod
    def empty(cls, device: torch.device, classes: int = 0, predictions: PredictionLog | None = None) -> Tally:
        """Return a tally of no images, which counts confusions where the number of classes is given."""
        zero = torch.zeros((), device=device, dtype=sum_type(device))
        confusion = torch.zeros(classes, classes, device=device, dtype=torch.int64) if classes else None
        return cls(zero, zero.long(), confusion=confusion, predictions=predictions)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch.

        Args:
            loss: () mean loss of the batch.
            logits: (B, classes).
            labels: (B,) true classes.
        """
        predicted = self.add_sums(loss, logits, labels)
        self.count += len(labels)
        if self.confusion is not None:
            cells = labels * len(self.confusion) + predicted
            # Not bincount: it would make the host wait for the device.
            self.confusion.view(-1).index_add_(0, cells, torch.ones_like(cells))
        if self.predictions is not None:
            self.predictions.add(logits, predicted, labels)

    def add_sums(self, loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Add the loss and the hits of a batch, but not its `count`: all of it runs on the device.

        Arguments are those of `add`.

        Returns:
            (B,) predicted classes.
        """
        predicted = logits.detach().argmax(dim=1)
        self.loss += loss.detach().to(self.loss.dtype) * len(labels)
        self.correct += (predicted == labels).sum()
        return predicted

    def reset(self) -> None:
        """Begin anew in the same tensors, which a CUDA graph may write."""
        self.loss.zero_()
        self.correct.zero_()
        self.count = 0

    def means(self) -> tuple[float, float]:
        """Return the mean loss and the accuracy in percent; both are NaN where the loss is not finite.

        The host waits for the device once.
        """
        return self.means_of(*read(self.loss, self.correct))

    def means_of(self, loss: float, correct: float) -> tuple[float, float]:
        """Return `means` from `loss` and `correct` as they were read, for callers that read more at once."""
        if not math.isfinite(loss):
            return math.nan, math.nan
        return loss / self.count, 100 * correct / self.count


def measure(network: nn.Module, source: Source, index: Tensor, precision: Arithmetic) -> tuple[float, float]:
    """Return the mean cross-entropy (without label smoothing) and the accuracy in percent over some images.

    The network is left in evaluation mode.

    Args:
        network: Any classifier.
        source: The stored images, with their scaling.
        index: (N,) indices of the images in `source`.
        precision: The arithmetic of the network.
    """
    return tally_images(network, source, index, precision).means()


@torch.inference_mode()
def tally_images(
    network: nn.Module,
    source: Source,
    index: Tensor,
    precision: Arithmetic,
    classes: int = 0,
    tta: TestTimeAugmentation = "none",
    predictions: PredictionLog | None = None,
) -> Tally:
    """Return the tally over some images; the network is left in evaluation mode.

    Args:
        network: Any classifier.
        source: The stored images, with their scaling.
        index: (N,) indices of the images in `source`.
        precision: The arithmetic of the network.
        classes: Number of classes, where confusions are to be counted.
        tta: Test-time augmentation: over which views of an image logits are averaged.
        predictions: Takes the prediction for each image, in the order of `index`, where it is to be kept.
    """
    network.eval()
    tally = Tally.empty(index.device, classes, predictions)
    for batch in torch.split(index, BATCH):
        labels = source.labels[batch]
        with autocast(precision, index.device):
            logits = mean_logits(lambda seen: network(source.scaling(seen)), source.gather(batch), tta)
        tally.add(cross_entropy(logits.float(), labels), logits, labels)
    return tally
