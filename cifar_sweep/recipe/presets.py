"""Presets: settings under a name, from which a baseline may start.

A preset is shorthand. It is expanded when settings are read, and a recipe that is written out has no preset in it: a
run is the same whether its settings came by a preset's name or one by one.

`fast` has the techniques of cifar10-airbench (Jordan 2024, arXiv:2404.00498;
https://github.com/KellerJordan/cifar10-airbench), of its variants airbench94 and airbench94_muon:

- of both: network, whitening, Dirac start, alternating flip, crops of 2 pixels with reflection, label smoothing and
  test-time augmentation;
- of airbench94: batch size, Lookahead, a learning rate that rises for a fifth of the steps (ours from near 0, the
  published one from 0.2) and falls to 0.07 of its peak, and its 9.9 epochs, made whole;
- of airbench94_muon: Muon with Nesterov's momentum 0.6, a learning rate of 0.24 and no weight decay.

Differences from airbench94_muon: it trains for 8 epochs with batches of 2,000, without Lookahead and warm-up. Its Muon
normalises each weight to the length sqrt(filters) before a step and takes 3 iterations; ours leaves the weight as it
is, takes 5 iterations and scales updates of tall matrices up. It trains biases and the classifier by SGD, with a rate
that falls to 0 within 3 epochs for the stem's bias; here they are trained by AdamW. The factor 64 for the biases of
norms is airbench94's, for SGD: studies/fast_cifar10.yaml has it, where SGD takes Muon's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESET = "preset"

FAST: dict[str, Any] = {
    "model": {"name": "airbench", "widths": [64, 256, 256]},
    "augment": {"crop": 2, "crop_padding": "reflect", "flip": "alternating"},
    "optimizer": {
        "name": "muon",
        "lr": 0.24,
        "momentum": 0.6,
        "nesterov": True,
        "adam_lr": 0.01,
        "norm_bias_lr": 1.0,
        "weight_decay": 0.0,
    },
    "schedule": {"name": "linear", "warmup_epochs": 2, "final_lr": 0.07},
    "regularization": {"label_smoothing": 0.2, "lookahead": {}},
    "epochs": 10,
    "batch_size": 1024,
    "tta": "mirror_translate",
}
PRESETS: Mapping[str, Mapping[str, Any]] = {"fast": FAST}


def expand(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with those of their preset filled in, and without the preset's name.

    Settings that are given override the preset's. Where a section is given another `name` (`model`, `optimizer`,
    `schedule`), the preset's settings of that section are dropped, since they belong to the name that it has.

    Args:
        settings: Nested settings. A preset that is unknown stays in them, for the validation to report.
    """
    preset = settings.get(PRESET)
    defaults = PRESETS.get(preset) if isinstance(preset, str) else None
    if defaults is None:
        return dict(settings)
    return _merged(defaults, {key: value for key, value in settings.items() if key != PRESET})


def _merged(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    if overrides.get("name", defaults.get("name")) != defaults.get("name"):
        return dict(overrides)
    merged = {**defaults, **overrides}
    for key, value in overrides.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            merged[key] = _merged(default, value)
    return merged
