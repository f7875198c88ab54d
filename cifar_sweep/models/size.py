"""Whether images are large enough for a network, found by sending a batch of no images through it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.utils import _pair

from cifar_sweep.schema import Shape

STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def check_size(network: nn.Module, shape: Shape) -> None:
    """Raise ValueError, naming the layer, where a map becomes smaller than a layer's stride or kernel allows.

    Nothing is computed and nothing in the network changes. Weights on the meta device are not accepted.
    """
    training = network.training
    entered: list[str] = []
    handles = [handle for name, module in network.named_modules() if name for handle in _watch(name, module, entered)]
    try:
        with torch.inference_mode():
            network.eval()(torch.empty(0, shape.channels, shape.size, shape.size))
    except (RuntimeError, AssertionError) as error:
        raise too_small(shape, entered[-1] if entered else "the network", str(error).splitlines()[0]) from error
    except _Vanished as vanished:
        raise too_small(shape, entered[-1], str(vanished)) from None
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()


class _Vanished(Exception):
    """A map that is smaller than the stride of the layer that gets it."""


def _watch(name: str, module: nn.Module, entered: list[str]) -> list[Any]:
    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered.append(name)
        if isinstance(module, STRIDED):
            stride, sides = max(_pair(module.stride)), inputs[0].shape[-2:]
            if min(sides) < stride:
                raise _Vanished(f"it has stride {stride} but gets a map of {sides[0]}x{sides[1]} pixels")

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        entered.pop()

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def too_small(shape: Shape, layer: str, reason: str) -> ValueError:
    """The error that says in which layer, and why, images of `shape` vanish."""
    return ValueError(
        f"model: the {shape.size}x{shape.size} images vanish in the layer {layer}: {reason}; "
        "give larger images, a lower stride or fewer stages"
    )
