"""A classifier in two levels: a coarse network over groups of classes, a fine network within each group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from cifar_sweep import models
from cifar_sweep.device.exchange import read
from cifar_sweep.device.float64 import sum_type
from cifar_sweep.models.initial_draws import Draw
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes.hierarchical import HierarchicalRecipe
from cifar_sweep.schema import Shape

Groups = tuple[tuple[int, ...], ...]


def build(recipe: HierarchicalRecipe, shape: Shape) -> Hierarchical:
    """Return the untrained network of `recipe`: (B, channels, size, size) -> logits (B, classes).

    Raises:
        ValueError: The groups do not contain each class once, or the images are too small for a level.
    """
    groups = recipe.groups_of(shape.classes)
    coarse = models.build(recipe.coarse, Shape(shape.channels, shape.size, len(groups)))
    fine = [models.build(recipe.fine, Shape(shape.channels, shape.size, len(group))) for group in groups]
    return Hierarchical(groups, coarse, fine)


class Hierarchical(Network):
    """The network `coarse`, over the groups, and `fine[k]`, over the classes of group k, as one over all classes.

    The logits are logarithms of probabilities, log p(group) + log p(class | group), in float32. So the cross-entropy of
    a class is that of its group plus that of the class within the group, and softmax returns the probabilities. There
    is no `head`: each level has its own.

    Attributes:
        groups: The classes of each group.
        order: (classes,) the column of each class where the groups stand one after another.
        group_of: (classes,) the group of each class.
        place: (classes,) the place of each class in its group.
    """

    order: Tensor
    group_of: Tensor
    place: Tensor

    def __init__(self, groups: Groups, coarse: nn.Module, fine: Iterable[nn.Module]) -> None:
        super().__init__()
        self.groups = groups
        self.coarse = coarse
        self.fine = nn.ModuleList(fine)
        members = [(index, group, place) for group, classes in enumerate(groups) for place, index in enumerate(classes)]
        columns = {index: (position, group, place) for position, (index, group, place) in enumerate(members)}
        rows = torch.tensor([columns[index] for index in range(len(columns))])
        # Not in the checkpoint: they follow from the recipe.
        for name, values in zip(("order", "group_of", "place"), rows.unbind(1), strict=True):
            self.register_buffer(name, values.clone(), persistent=False)

    @property
    def draws(self) -> Mapping[str, tuple[Draw, ...]]:
        """How the architectures of the levels draw their own initial weights, by parameter name."""
        return {f"{level}.{name}": draws for level, network in self._levels() for name, draws in network.draws.items()}

    def frozen(self, epoch: int) -> frozenset[str]:
        """Return the names of the parameters that the architectures of the levels do not train in `epoch`."""
        return frozenset(f"{level}.{name}" for level, network in self._levels() for name in network.frozen(epoch))

    def _levels(self) -> Iterator[tuple[str, Network]]:
        """Return name and network of each level that is a `Network`."""
        levels = {"coarse": self.coarse, **{f"fine.{index}": network for index, network in enumerate(self.fine)}}
        return ((level, network) for level, network in levels.items() if isinstance(network, Network))

    def features(self, images: Tensor) -> Tensor:
        """Raise ValueError: each level has features of its own."""
        raise ValueError("a hierarchical model has no features in common: use those of its levels, coarse and fine")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logarithms of the classes' probabilities, (B, classes), of images (B, channels, size, size)."""
        coarse = log_softmax(self.coarse(images).float(), dim=1)
        within = [log_softmax(network(images).float(), dim=1) for network in self.fine]
        joint = torch.cat([coarse[:, k : k + 1] + fine for k, fine in enumerate(within)], dim=1)
        return joint[:, self.order]


def level_accuracies(network: nn.Module, logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the accuracy of each level of a hierarchical network, in percent.

    Args:
        network: The network; any other than a hierarchical one has no levels.
        logits: (B, classes), the network's.
        labels: (B,) true classes.

    Returns:
        `coarse_accuracy`, of the group by the coarse level, and `fine_accuracy`, of the class among those of the true
        group; empty for any other network.
    """
    shares = level_shares(network, logits, labels)
    return {name: 100 * share for name, share in zip(shares, read(*shares.values()), strict=True)}


def level_shares(network: nn.Module, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return `level_accuracies` as shares () of 1 in float64, on the device, for callers that read more at once."""
    if not isinstance(network, Hierarchical):
        return {}
    group = network.group_of[labels]
    outside = network.group_of != group[:, None]  # (B, classes): the classes of the other groups
    by_group = torch.split(logits[:, network.order.argsort()], [len(members) for members in network.groups], dim=1)
    coarse = torch.stack([part.logsumexp(dim=1) for part in by_group], dim=1)
    correct = {
        "coarse_accuracy": coarse.argmax(dim=1) == group,
        "fine_accuracy": logits.masked_fill(outside, -torch.inf).argmax(dim=1) == labels,
    }
    return {name: hits.to(sum_type(hits.device)).mean() for name, hits in correct.items()}
