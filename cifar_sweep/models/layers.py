"""Layers that several networks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from cifar_sweep.models.recipes import Activation, Norm

GROUP_CHANNELS = 16  # channels per group of group norm (Wu & He 2018, arXiv:1803.08494)

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
}


class SampledConv2d(nn.Conv2d):
    """A 1x1 convolution with a stride, on a CPU computed as one without a stride on every stride-th pixel.

    The numbers are the same. oneDNN's strided kernel corrupts the heap in its backward pass (found with valgrind: torch
    2.15, AVX2 without AVX-512, one thread, channels last, fewer than 8 input channels). On other devices taking the
    pixels out first would only cost time.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        if features.device.type != "cpu":
            return super().forward(features)
        rows, columns = self.stride
        sampled = features[:, :, ::rows, ::columns].contiguous(memory_format=torch.channels_last)
        return conv2d(sampled, self.weight, self.bias)


class ResidualBlock(nn.Module):
    """Two convolutions, each with a norm, and an optional shortcut around them.

    The activation follows the first norm and the sum.

    Args:
        convolutions: The two convolutions; the second has as many output channels as the first.
        norm: The kind of normalisation.
        activation: The kind of activation.
        shortcut: The module on the shortcut; None leaves the shortcut out.
        depth_rate: Probability that a training image skips the convolutions (stochastic depth), with a shortcut only.
    """

    def __init__(
        self,
        convolutions: tuple[nn.Conv2d, nn.Conv2d],
        norm: Norm,
        activation: Activation,
        shortcut: nn.Module | None,
        depth_rate: float,
    ) -> None:
        super().__init__()
        first, second = convolutions
        self.conv1, self.norm1 = first, make_norm(norm, first.out_channels)
        self.conv2, self.norm2 = second, make_norm(norm, second.out_channels)
        self.activation = ACTIVATIONS[activation]()
        self.residual = shortcut is not None
        if shortcut is not None:
            self.shortcut = shortcut
            self.stochastic_depth = StochasticDepth(depth_rate)

    def forward(self, features: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        inner = self.activation(self.norm1(self.conv1(features)))
        inner = self.norm2(self.conv2(inner))
        if self.residual:
            inner = self.stochastic_depth(inner) + self.shortcut(features)
        result: Tensor = self.activation(inner)
        return result


class StochasticDepth(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): drops a branch for some images of a training batch.

    For the other images the branch is scaled up, so that its mean stays. It draws from torch's global generator, as
    dropout does, and only where `probability` is above 0.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """(B, ...) -> (B, ...): zero for an image with `probability`, else divided by 1 - probability."""
        if not self.training or self.probability == 0:
            return branch
        shape = (len(branch), *[1] * (branch.ndim - 1))
        kept = torch.rand(shape, device=branch.device) >= self.probability
        return branch * (kept / (1 - self.probability)).to(branch.dtype)

    def extra_repr(self) -> str:
        """Return the probability, for the text of the module."""
        return f"probability={self.probability:g}"


def depth_rates(last: float, blocks: int) -> Iterator[float]:
    """Yield stochastic depth's probability of each block: linear from last / blocks to `last` (Huang et al. 2016)."""
    return (last * index / blocks for index in range(1, blocks + 1))


def make_conv(norm: Norm, width: int, out: int, kernel: int, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    """Return a convolution to be followed by `norm`.

    Args:
        norm: The normalisation after it.
        width: Input channels.
        out: Output channels.
        kernel: Side of the kernel, in pixels.
        stride: Stride.
        padding: Zeros around the map, in pixels; by default as many as keep its size at stride 1.
    """
    # A norm has its own shift, so a bias before it would do nothing; without one, the bias is the only shift there is.
    kind = SampledConv2d if kernel == 1 and stride > 1 else nn.Conv2d
    return kind(width, out, kernel, stride, kernel // 2 if padding is None else padding, bias=norm == "none")


def make_layer(
    norm: Norm,
    activation: Activation,
    width: int,
    out: int,
    kernel: int,
    stride: int = 1,
    padding: int | None = None,
    pool: bool = False,
) -> nn.Sequential:
    """Return a layer of `conv`, `norm`, `activation` and, with `pool`, a 2x2 max-pool named `pool`.

    The other arguments are those of `make_conv`.
    """
    layer = nn.Sequential()
    layer.add_module("conv", make_conv(norm, width, out, kernel, stride, padding))
    layer.add_module("norm", make_norm(norm, out))
    layer.add_module("activation", ACTIVATIONS[activation]())
    if pool:
        layer.add_module("pool", nn.MaxPool2d(2))
    return layer


def make_norm(norm: Norm, width: int) -> nn.Module:
    """Return the normalisation of maps with `width` channels."""
    if norm == "batch":
        return nn.BatchNorm2d(width)
    if norm == "group":
        return nn.GroupNorm(width // GROUP_CHANNELS if width % GROUP_CHANNELS == 0 else 1, width)
    return nn.Identity()
