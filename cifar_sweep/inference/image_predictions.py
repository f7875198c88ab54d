"""Keep what a network predicts for each image while its metrics are summed, without another pass over the images."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from sweeps.workload import Run

LOGITS_MOST = 256 << 20  # bytes of the logits of a set, beyond which they are not kept


@dataclass
class PredictionLog:
    """The predictions of one network for the images of one set, batch by batch, on the device of the network.

    Attributes:
        keeps_logits: Whether logits are kept too, in 16 bits.
    """

    keeps_logits: bool = False
    _batches: list[tuple[Tensor, Tensor, Tensor, Tensor]] = field(default_factory=list)
    _logits: list[Tensor] = field(default_factory=list)

    def add(self, logits: Tensor, predicted: Tensor, labels: Tensor) -> None:
        """Add a batch. The host does not wait for the device.

        Args:
            logits: (B, classes).
            predicted: (B,) the classes with the largest logits, as the accuracy counts them.
            labels: (B,) true classes.
        """
        logs = log_softmax(logits.detach().float(), dim=1)
        top, true = (logs.gather(1, of[:, None])[:, 0] for of in (predicted, labels))
        self._batches.append((labels, predicted, top.exp(), true))
        if self.keeps_logits:
            self._logits.append(logits.detach().half())

    def record(self, run: Run, set_name: str, images: Tensor) -> None:
        """Save the predictions in the folder of `run`.

        Args:
            run: The run.
            set_name: The set's name.
            images: (N,) the index of each image in its part of the data, in the order in which they were added.
        """
        labels, predicted, top, true = (torch.cat(column).cpu().numpy() for column in zip(*self._batches, strict=True))
        logits = torch.cat(self._logits) if self._logits else None
        if logits is not None and logits.nbytes > LOGITS_MOST:
            run.log(f"{set_name}: the logits would take {logits.nbytes >> 20} MiB, so they are not kept")
            logits = None
        run.record_predictions(
            set_name,
            images=images.cpu().numpy(),
            labels=labels,
            predicted=predicted,
            top_probability=top,
            label_log_probability=true,
            logits=None if logits is None else logits.cpu().numpy(),
        )
