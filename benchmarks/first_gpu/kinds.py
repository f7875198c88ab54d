"""Every kind of training, by name: the settings in which it differs from a plain one on small images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cifar_sweep.recipe.augment import Transforms

_FAST = {"preset": "fast", "model": {"name": "airbench", "widths": [8, 16, 16]}}
_ONE = {"name": "resnet", "blocks": [1], "widths": [8], "strides": [1]}
_HEAD = {"dropout": 0.3, "batch_norm": True, "batch_norm_logits": True, "hidden": [16]}
_GROUPS = [[0, 1, 2], [3, 4], [5, 6, 7, 8, 9]]
_MODELS = ("wide_resnet", "base_resnet", "simple_cnn", "two_layer", "lenet5", "convnet", "cbam_cnn")

KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    **{
        f"augment.{name}": {"augment": {name: {}}}
        for name, field in Transforms.model_fields.items()
        if field.default is None and name != "mix"
    },
    **{f"optimizer.{name}": {"optimizer": {"name": name, "lr": 0.002}} for name in ("adam", "adamw", "lion", "muon")},
    **{f"schedule.{name}": {"schedule": {"name": name}} for name in ("step", "constant", "linear", "onecycle")},
    "mixup": {"augment": {"mix": {"mixup": 0.2, "cutmix": 0.0}}},
    "cutmix": {"augment": {"mix": {"mixup": 0.0, "cutmix": 1.0, "p": 0.5}}},
    "alternating flip": {"augment": {"flip": "alternating", "crop_padding": "reflect"}},
    "ema": {"regularization": {"ema": 0.99}},
    "all regularisation": {
        "regularization": {"ema": 0.99, "lookahead": {"every": 2}, "grad_clip": 1.0, "label_smoothing": 0.1}
    },
    "label noise": {"data": {"label_noise": 0.2}},
    "resize": {"data": {"resize": 40, "center_crop": 36}},
    "tta": {"tta": "mirror_translate"},
    "preset fast": _FAST,
    "pseudo-labels": {"data": {"unlabelled": {"share": 0.4}}, "pseudo_labels": {"threshold": 0.0, "start_epoch": 1}},
    "pre-training": {"pretrain": {"epochs": 1, "batch_size": 32}},
    "freezing": {"transfer": {"freeze": "body", "unfreeze": [{"epoch": 1, "parameters": "all"}]}},
    "dropout and depth": {"model": {"stochastic_depth": 0.3, "head": _HEAD}},
    **{f"norm.{norm}": {"model": {"norm": norm}} for norm in ("group", "none")},
    **{f"model.{name}": {"model": {"name": name}, "batch_size": 60} for name in _MODELS},
    "model.hierarchical": {"model": {"name": "hierarchical", "groups": _GROUPS, "coarse": _ONE, "fine": _ONE}},
}
"""The kinds of training."""
GRAPHS = (
    *("plain", "cutmix", "all regularisation", "optimizer.muon", "optimizer.adamw", "freezing", "dropout and depth"),
    *("preset fast", "pseudo-labels", "norm.group", "augment.rand_augment", "model.cbam_cnn", "model.wide_resnet"),
)
"""Those that are also trained as graphs."""
DRAWN_ON_DEVICE = ("augment.iso_noise", "augment.gaussian_noise", "augment.erasing", "dropout and depth")
"""Those whose random numbers the device draws, so that they differ from the CPU's."""
