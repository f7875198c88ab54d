"""What a training step does with its gradients: unscale them, clip them, and move the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class LossScaler(torch.amp.GradScaler):
    """torch's scaler of the loss, with which small gradients survive in fp16; without fp16 it does nothing.

    A step whose gradients overflow is skipped and the scale halved. Neither waits for the device: all optimizers here
    look at the flag themselves, on the device.
    """

    def __init__(self, device: torch.device, fp16: bool) -> None:
        super().__init__(device.type, enabled=fp16)
        if fp16:
            self.scale(torch.zeros((), device=device))  # makes the tensors, which a CUDA graph must find

    def tensors(self) -> list[Tensor]:
        """Return what steps change, and a checkpoint needs: the scale, and the steps since it last changed."""
        return [tensor for tensor in (self._scale, self._growth_tracker) if tensor is not None] if self._enabled else []

    def forget_step(self) -> None:
        """Forget how far a step has come that is not brought to its end."""
        if self._enabled:
            self._per_optimizer_states.clear()


class Update:
    """The update of a network's weights.

    On a GPU a CUDA graph may contain it: what differs from step to step is in tensors there. The optimizer's groups
    keep the numbers, so that schedules and checkpoints are the same for every device.

    Attributes:
        optimizer: The optimizer.
        scaler: The scaler of the loss.
        can_be_captured: Whether a CUDA graph may contain it; not where the momentum differs from step to step, since
            torch's optimizers take that as a number only.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        network: nn.Module,
        *,
        max_norm: float | None = None,
        fp16: bool = False,
        momentum_varies: bool = False,
    ) -> None:
        """Make the update.

        Args:
            optimizer: The optimizer.
            network: The network, on its device.
            max_norm: Norm to which the gradients are clipped; None where they are not.
            fp16: Whether the network computes in fp16.
            momentum_varies: Whether the schedule changes the momentum.
        """
        self.optimizer = optimizer
        self._network = network
        self._max_norm = max_norm
        device = next(network.parameters()).device
        self.scaler = LossScaler(device, fp16)
        self.can_be_captured = not momentum_varies
        groups = optimizer.param_groups if device.type == "cuda" else []
        self._rates = [torch.zeros((), device=device) for _ in groups]

    def begin_step(self) -> None:
        """Bring the learning rates that were set onto a GPU. Call it before each step, and not in a capture."""
        if self._rates:
            # Two operations for any number of groups, and no copy from the host.
            torch._foreach_zero_(self._rates)
            torch._foreach_add_(self._rates, [group["lr"] for group in self.optimizer.param_groups])

    def __call__(self) -> None:
        """Update the weights by the gradients, which are those of the scaled loss."""
        self.scaler.unscale_(self.optimizer)
        if self._max_norm is not None:
            nn.utils.clip_grad_norm_(self._network.parameters(), self._max_norm)
        with self._rates_in_tensors():
            self.scaler.step(self.optimizer)
        self.scaler.update()

    @contextmanager
    def _rates_in_tensors(self) -> Iterator[None]:
        groups = self.optimizer.param_groups[: len(self._rates)]
        numbers = [group["lr"] for group in groups]
        _set(groups, self._rates, capturing=bool(groups) and torch.cuda.is_current_stream_capturing())
        try:
            yield
        finally:
            _set(groups, numbers, capturing=False)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the optimizer's state and, with fp16, the scaler's."""
        scaler = {"scaler": self.scaler.tensors()} if self.scaler.tensors() else {}
        return {"optimizer": self.optimizer.state_dict(), **scaler}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.optimizer.load_state_dict(state["optimizer"])
        for tensor, saved in zip(self.scaler.tensors(), state.get("scaler", []), strict=False):
            tensor.copy_(saved)


def _set(groups: list[dict[str, Any]], rates: Sequence[float | Tensor], capturing: bool) -> None:
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
        if "capturable" in group:  # torch's Adam refuses to be captured without, and warns of it outside of a capture
            group["capturable"] = capturing
