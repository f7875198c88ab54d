"""Named starting points: settings under a name, from which a baseline may start.

A preset is shorthand. Whoever reads settings sees those that it stands for, and a recipe that is written out has no
preset left in it, so a run is the same run, whether its settings came by a name or one by one.

`fast` has the techniques of cifar10-airbench (Jordan 2024, arXiv:2404.00498;
https://github.com/KellerJordan/cifar10-airbench), of its variants airbench94 and airbench94_muon:

- of both: network, whitening, Dirac start, alternating flip, crops of 2 pixels with reflection, label smoothing and
  test-time augmentation;
- of airbench94: batch size, Lookahead, a learning rate that rises for a fifth of the steps (ours from near 0, the
  published one from 0.2) and falls to 0.07 of its peak, and its 9.9 epochs, made whole;
- of airbench94_muon: Muon with Nesterov's momentum 0.6, a learning rate of 0.24 and no weight decay.

What differs from airbench94_muon: it has 8 epochs of batches of 2,000, without Lookahead and warm-up. Its Muon brings
each weight to the length sqrt(filters) before a step and takes 3 iterations, where ours leaves the weight as it is,
takes 5 iterations and scales updates of tall matrices up. What Muon leaves, biases and the classifier, has SGD there,
with a rate that falls to 0 within 3 epochs for the stem's bias; here it has AdamW. The factor 64 for the norms' biases
is airbench94's, for SGD: it stands in studies/fast_cifar10.yaml, where SGD is set in Muon's place.
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
    """Nested `settings` with those of their preset below them, and without its name; an unknown name stays.

    What is given wins. Where a section is given another `name` (`model`, `optimizer`, `schedule`), the preset's
    settings of that section are left away, for they belong to what it names.
    """
    chosen = settings.get(PRESET)
    below = PRESETS.get(chosen) if isinstance(chosen, str) else None
    if below is None:
        return dict(settings)
    return _over(below, {key: value for key, value in settings.items() if key != PRESET})


def _over(below: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("name", below.get("name")) != below.get("name"):
        return dict(given)
    merged = {**below, **given}
    for key, value in given.items():
        under = below.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _over(under, value)
    return merged
