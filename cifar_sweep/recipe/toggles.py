"""Toggles: the parts of a recipe that an ablation can name, each with the settings that remove it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cifar_sweep.recipe.augment import Transforms

OPERATIONS = tuple(name for name, field in Transforms.model_fields.items() if field.default is None)
"""The image operations of `augment`, all of which are off by default."""

TOGGLES: Mapping[str, Mapping[str, Any]] = {
    "relu": {"model.activation": "identity"},
    "batch_norm": {"model.norm": "none"},
    "residual": {"model.residual": False},
    "attention": {"model.attention": "none"},
    "dropout": {"model.head.dropout": 0.0},
    "stochastic_depth": {"model.stochastic_depth": 0.0},
    "zero_init": {"model.zero_init": False},
    "whitening": {"model.whitening": False},
    "dirac_init": {"model.dirac_init": False},
    "head_batch_norm": {"model.head.batch_norm": False, "model.head.batch_norm_logits": False},
    "text": {"model.head.text": None},
    "crop": {"augment.crop": 0},
    "reflect": {"augment.crop_padding": "zero"},
    "flip": {"augment.flip": False},
    "alternating_flip": {"augment.flip": True},
    **{name: {f"augment.{name}": None} for name in OPERATIONS},
    "augmentation": {"augment.crop": 0, "augment.flip": False, **{f"augment.{name}": None for name in OPERATIONS}},
    "phases": {"augment.phases": []},
    "normalise": {"augment.normalise": False},
    "momentum": {"optimizer.momentum": 0.0, "optimizer.nesterov": False},
    "nesterov": {"optimizer.nesterov": False},
    "weight_decay": {"optimizer.weight_decay": 0.0},
    "norm_bias_lr": {"optimizer.norm_bias_lr": 1.0},
    "schedule": {"schedule.name": "constant"},
    "warmup": {"schedule.warmup_epochs": 0},
    "lookahead": {"regularization.lookahead": None},
    "label_smoothing": {"regularization.label_smoothing": 0.0},
    "grad_clip": {"regularization.grad_clip": None},
    "ema": {"regularization.ema": None},
    "early_stopping": {"regularization.early_stopping.patience": None},
    "tta": {"tta": "none"},
    "weights": {"transfer.weights": None},
    "freezing": {"transfer.freeze": None, "transfer.unfreeze": []},
    "head_lr": {"transfer.head_lr": 1.0},
    "unlabelled": {"data.unlabelled": None},
    "distillation": {"distillation": None},
    "pseudo_labels": {"pseudo_labels": None},
    "pretrain": {"pretrain": None},
}
"""The settings, by dotted key, that remove each part."""
