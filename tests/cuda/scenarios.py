"""The trainings to rehearse: every model, augmentation, optimizer, schedule and technique, on small networks."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.models import AnyNetwork
from cifar_sweep.recipe import OptimizerRecipe, Recipe, ScheduleRecipe
from sweeps.recipe.schema import RecipeSchema

Settings = Mapping[str, Any]  # by dotted key

IMAGES = "images.npz"
VALIDATION, TRAINED, TESTED = 30, 150, 20
BASE: dict[str, Any] = {
    "data": {"name": "npz", "size": 32, "classes": 10, "channels": 3, "validation": VALIDATION, "train_limit": 64},
    "model": {"name": "resnet", "blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]},
    "optimizer": {"lr": 0.02},
    "batch_size": 16,
    "epochs": 2,
    "execution": "eager",
    "precision": "fp32",
}
ONE_BLOCK = {"name": "resnet", "blocks": [1], "widths": [8], "strides": [1]}
MODELS: Mapping[str, Settings] = {
    "airbench": {"model.widths": [8, 16, 16], "model.whiten_bias_epochs": 1},
    "base_resnet": {"model.base": [8, 16], "model.widths": [16, 16]},
    "simple_cnn": {"model.widths": [8, 16]},
    "wide_resnet": {"model.depth": 10, "model.widen": 1, "model.width": 8},
    "convnet": {"model.widths": [8, 16, 16], "model.kernels": [3, 3], "model.head": {"hidden": [16], "dropout": 0.5}},
    "cbam_cnn": {"model.widths": [8, 16], "model.head": {"hidden": [16]}},
    "torchvision": {"model.arch": "shufflenet_v2_x0_5", "model.stem": "small"},
    "hierarchical": {
        "model.groups": [[0, 1, 2], [3, 4], [5, 6, 7, 8, 9]],
        "model.coarse": ONE_BLOCK,
        "model.fine": ONE_BLOCK,
    },
}
RATES = {"sgd": 0.02, "adam": 1e-3, "adamw": 1e-3, "lion": 1e-4, "muon": 0.02}
SCHEDULES: Mapping[str, Settings] = {
    "multistep": {"schedule.milestones": [1]},
    "onecycle": {"schedule.momentum_range": [0.8, 0.95]},
}
FREEZING = {"transfer.freeze": "body", "transfer.unfreeze": [{"epoch": 1, "parameters": ["stages.1.*"]}]}
UNLABELLED = {"data.unlabelled": {"share": 0.4}, "data.train_limit": None}
FAST: Settings = {
    "model": {"name": "airbench", "widths": [8, 16, 16]},
    "augment": {"crop": 2, "crop_padding": "reflect", "flip": "alternating"},
    "optimizer": {"name": "muon", "lr": 0.02, "momentum": 0.6, "adam_lr": 0.01},
    "schedule": {"name": "linear", "final_lr": 0.07},
    "regularization": {"label_smoothing": 0.2, "lookahead": {}},
    "tta": "mirror_translate",
}
TECHNIQUES: Mapping[str, Settings] = {
    "averaged": {"regularization.ema": 0.99},
    "lookahead": {"regularization.lookahead": {"every": 2}},
    "regularised": {
        "regularization.ema": 0.99,
        "regularization.lookahead": {},
        "regularization.grad_clip": 1.0,
        "regularization.label_smoothing": 0.1,
        "regularization.early_stopping": {"patience": 1},
    },
    "norm_bias": {"optimizer.norm_bias_lr": 64.0, "optimizer.norm_bias_decay": True},
    "without_momentum": {"optimizer.momentum": 0.0, "optimizer.nesterov": False},
    "depth": {
        "model.stochastic_depth": 0.3,
        "model.head": {"dropout": 0.3, "batch_norm": True, "batch_norm_logits": True, "hidden": [16]},
    },
    "group_norm": {"model.norm": "group"},
    "no_norm": {"model.norm": "none"},
    "label_noise": {"data.label_noise": 0.2},
    "subset": {"data.subset": [3, 1, 7], "data.train_limit": 24, "batch_size": 3},
    "resized": {"data.resize": 40, "data.center_crop": 36},
    "mirror": {"tta": "mirror"},
    "mirror_translate": {"tta": "mirror_translate"},
    "fast": FAST,
    "frozen": FREEZING,
    "frozen_adamw": {**FREEZING, "optimizer.name": "adamw", "optimizer.lr": 1e-3, "transfer.head_lr": 5.0},
    "pseudo_labels": {**UNLABELLED, "pseudo_labels": {"threshold": 0.0, "start_epoch": 1}},
    "pretrained": {"pretrain": {"epochs": 1, "batch_size": 16}},
    "pretrained_unlabelled": {**UNLABELLED, "pretrain": {"epochs": 1, "batch_size": 16}, "regularization.ema": 0.9},
    "text_head": {
        "data": {"name": "digits", "validation": VALIDATION, "train_limit": 64},
        "model.head": {"text": {"encoder": "words"}},
    },
}
VARIANTS: Mapping[str, Settings] = {
    "some_rand_augment": {"augment.rand_augment": {"p": 0.5}},
    "some_trivial_augment": {"augment.trivial_augment": {"p": 0.5}},
    "some_aug_mix": {"augment.aug_mix": {"p": 0.5}},
    "some_iso_noise": {"augment.iso_noise": {"p": 0.5}},
    "erasing_by_noise": {"augment.erasing": {"p": 0.5, "value": "random"}},
    "erasing_by_mean": {"augment.erasing": {"value": "mean"}},
    "mixup": {"augment.mix": {"mixup": 0.2, "cutmix": 0.0}},
    "cutmix": {"augment.mix": {"mixup": 0.0, "cutmix": 1.0, "p": 0.5}},
    "alternating": {"augment.flip": "alternating", "augment.crop_padding": "reflect"},
    "phases": {"augment.phases": [{"epochs": 1, "crop": 2}], "augment.cutout": {}},
    "not_normalised": {"augment.normalise": False},
}
GRAPHS = (
    *("plain", "augment.cutmix", "augment.rand_augment", "optimizer.adamw", "optimizer.lion", "optimizer.muon"),
    *("schedule.onecycle", "technique.regularised", "technique.depth", "technique.group_norm", "technique.fast"),
    *("technique.frozen", "technique.frozen_adamw", "technique.pseudo_labels", "technique.pretrained"),
    *("model.airbench", "model.cbam_cnn", "model.wide_resnet"),
)
IMPRECISE = {"optimizer.muon": 2e-2, "technique.fast": 2e-2}  # Muon computes in bfloat16 on a GPU, in float32 on a CPU
OWN_LOOP = ("model.hierarchical",)  # trained by several trainers, whose steps are not told apart
MORE_IMAGES = ("technique.pseudo_labels", "technique.pretrained", "technique.pretrained_unlabelled")


@dataclass(frozen=True)
class Scenario:
    """A training to rehearse.

    Attributes:
        name: Its name.
        settings: What it changes of BASE, by dotted key.
        tolerance: How far its figures may be from the CPU's, as a share of them.
        has_even_steps: Whether an epoch is so many equal steps as it has batches of images.
    """

    name: str
    settings: Settings = field(default_factory=dict)
    tolerance: float = 1e-5
    has_even_steps: bool = True

    def recipe(self, data_dir: Path, **overrides: Any) -> Recipe:
        """Return the recipe on the images in `data_dir`; overrides have `__` for each dot."""
        schema = RecipeSchema(Recipe)
        base = {**BASE, "data": {**BASE["data"], "path": str(data_dir / IMAGES)}}
        if self.settings.get("data", {}).get("name"):
            base.pop("data")
        changed = schema.merge(base, self.settings)
        changed = schema.merge(changed, {key.replace("__", "."): value for key, value in overrides.items()})
        recipe: Recipe = schema.validate(changed)
        return recipe


def write_images(data_dir: Path) -> None:
    """Write the images that all scenarios train on: noise with the class in its red channel."""
    generator, count = np.random.default_rng(0), VALIDATION + TRAINED + TESTED
    labels = np.arange(count) % 10
    pixels = generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
    pixels[..., 0] = pixels[..., 0] // 4 + (18 * labels)[:, None, None].astype(np.uint8)
    parts = {"train": slice(0, -TESTED), "test": slice(-TESTED, None)}
    arrays = {f"x_{part}": pixels[where] for part, where in parts.items()}
    np.savez(data_dir / IMAGES, **arrays, **{f"y_{part}": labels[where] for part, where in parts.items()})


def _named() -> Iterator[tuple[str, Settings]]:
    yield "plain", {}
    for network in typing.get_args(AnyNetwork):
        name = network.model_fields["name"].default
        yield f"model.{name}", {"model.name": name, **MODELS.get(name, {})}
    for name in OPERATIONS:
        yield f"augment.{name}", {f"augment.{name}": {}}
    for name, settings in VARIANTS.items():
        yield f"augment.{name}", settings
    for name in typing.get_args(OptimizerRecipe.model_fields["name"].annotation):
        yield f"optimizer.{name}", {"optimizer.name": name, "optimizer.lr": RATES[name]}
    for name in typing.get_args(ScheduleRecipe.model_fields["name"].annotation):
        yield f"schedule.{name}", {"schedule.name": name, **SCHEDULES.get(name, {})}
    for name, settings in TECHNIQUES.items():
        yield f"technique.{name}", settings


SCENARIOS: Mapping[str, Scenario] = {
    name: Scenario(name, settings, IMPRECISE.get(name, 1e-5), name not in OWN_LOOP + MORE_IMAGES)
    for name, settings in _named()
}
"""All scenarios, by name. A new model, operation, optimizer or schedule is among them by itself."""
