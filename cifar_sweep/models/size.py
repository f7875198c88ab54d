"""Check whether images are large enough for a network, by sending an empty batch through it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.utils import _pair

from cifar_sweep.schema import Shape

STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def check_size(network: nn.Module, shape: Shape) -> None:
    """Check that no map becomes smaller than a layer's stride or kernel allows.

    Nothing is computed and nothing in the network changes. Weights on the meta device are not accepted.

    Raises:
        ValueError: Images of `shape` are too small; the message names the layer.
    """
    training = network.training
    entered: list[str] = []
    handles = [handle for name, module in network.named_modules() if name for handle in _watch(name, module, entered)]
    try:
        # An empty batch costs nothing, and eval mode leaves the running means of batch norms alone.
        with torch.inference_mode():
            network.eval()(torch.empty(0, shape.channels, shape.size, shape.size))
    except (RuntimeError, AssertionError) as error:
        layer = entered[-1] if entered else "the network"
        raise too_small_error(shape, layer, str(error).splitlines()[0]) from error
    except _MapBelowStride as below:
        raise too_small_error(shape, entered[-1], str(below)) from None
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()


class _MapBelowStride(Exception):
    """A map is smaller than the stride of the layer that it enters."""


def _watch(name: str, module: nn.Module, entered: list[str]) -> list[Any]:
    """Keep in `entered` the names of the layers whose forward pass is running, and check strides."""

    def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered.append(name)
        # torch itself accepts this: a padded convolution makes one pixel of a map smaller than its stride.
        if isinstance(module, STRIDED):
            stride, sides = max(_pair(module.stride)), inputs[0].shape[-2:]
            if min(sides) < stride:
                raise _MapBelowStride(f"it has stride {stride} but gets a map of {sides[0]}x{sides[1]} pixels")

    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        entered.pop()

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def too_small_error(shape: Shape, layer: str, reason: str) -> ValueError:
    """Return the error for images of `shape` that are too small for `layer`, with the `reason`."""
    return ValueError(
        f"model: the {shape.size}x{shape.size} images vanish in the layer {layer}: {reason}; "
        "give larger images, a lower stride or fewer stages"
    )
