"""A workload with a plain PyTorch training loop: PIL images, torchvision's transforms, a DataLoader, float32.

It has the recipe, split, initial weights, schedule and hyper-parameters of `cifar_sweep`, but its own random order and
augmentation, so accuracies differ only by these draws. The results of the benchmarks call it the naive trainer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from cifar_sweep.data.split import load_training
from cifar_sweep.models import build
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.optim.groups import parameter_groups
from cifar_sweep.optim.schedules import learning_rate
from cifar_sweep.recipe import AugmentRecipe, Recipe
from sweeps.workload import Run


class PilImages(Dataset[tuple[torch.Tensor, int]]):
    """PIL images and labels with a transform, as torchvision's data sets have them."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        self._images = [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in pixels]
        self._labels = labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(self._images[index]), self._labels[index]


def loader(
    pixels: np.ndarray, labels: np.ndarray, batch_size: int, augment: AugmentRecipe | None, workers: int = 0
) -> DataLoader[Any]:
    """Return normalised batches of pixels (N, size, size, channels) uint8; with `augment` shuffled and augmented."""
    channels = pixels.reshape(-1, pixels.shape[-1]) / 255
    normalisation = [transforms.ToTensor(), transforms.Normalize(channels.mean(0).tolist(), channels.std(0).tolist())]
    augmentations = []
    if augment is not None and augment.crop:
        augmentations.append(transforms.RandomCrop(pixels.shape[1], padding=augment.crop))
    if augment is not None and augment.flip:
        augmentations.append(transforms.RandomHorizontalFlip())
    data, train = PilImages(pixels, labels, transforms.Compose([*augmentations, *normalisation])), augment is not None
    return DataLoader(data, batch_size, shuffle=train, drop_last=train, num_workers=workers)


def step(network: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Take one step and return the loss, which waits for the device as plain loops do."""
    optimizer.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def optimizer_of(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Return torch's SGD with the recipe's settings."""
    settings = recipe.optimizer
    groups = parameter_groups(settings, network, 1.0)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=settings.nesterov)


def train(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    """Train, yielding train_loss, val_loss and val_accuracy (percent) after each epoch."""
    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    images, split = load_training(recipe.data, run)
    pixels, labels = np.asarray(images.pixels)[..., : recipe.data.shape.channels], images.labels
    batches = loader(pixels[split.train], labels[split.train], recipe.images_per_step, recipe.augment)
    held_out = loader(pixels[split.validation], labels[split.validation], 500, None)
    network = build(recipe.model, recipe.data.shape)
    initialise(network, run.seed)
    optimizer = optimizer_of(recipe, network)
    for epoch in range(recipe.epochs):
        network.train()
        losses = []
        for number, (seen, truth) in enumerate(batches):
            done = epoch * len(batches) + number
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe.schedule, recipe.optimizer.lr, done, len(batches), recipe.epochs)
            losses.append(step(network, optimizer, seen, truth))
        yield {"train_loss": float(np.mean(losses)), **_validated(network, held_out)}
        with run.checkpoint() as folder:
            torch.save(network.state_dict(), folder / "network.pt")


@torch.no_grad()
def _validated(network: nn.Module, batches: DataLoader[Any]) -> dict[str, float]:
    network.eval()
    loss, hits, count = 0.0, 0, 0
    for images, labels in batches:
        logits = network(images)
        loss += cross_entropy(logits, labels, reduction="sum").item()
        hits += (logits.argmax(1) == labels).sum().item()
        count += len(labels)
    return {"val_loss": loss / count, "val_accuracy": 100 * hits / count}
