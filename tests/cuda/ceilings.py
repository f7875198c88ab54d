"""The most that a step of each scenario may ask of the device: what it asks now, an average over steps rounded up.

A change that needs more raises its ceiling here and says why; one that needs less lowers it. The figures are those of
`python -m benchmarks.step_counts`. A plain step of the scenarios' network has 72 operators.
"""

from __future__ import annotations

from collections.abc import Mapping

OPERATORS: Mapping[str, int] = {
    "plain": 72,
    "model.resnet": 72,
    "model.wide_resnet": 87,
    "model.base_resnet": 85,
    "model.simple_cnn": 45,
    "model.two_layer": 32,
    "model.lenet5": 51,
    "model.convnet": 61,
    "model.cbam_cnn": 102,  # two kinds of attention after each convolution
    "model.airbench": 83,
    "model.torchvision": 446,  # ShuffleNet: many small convolutions, each with its norm
    "augment.vertical_flip": 74,
    "augment.resized_crop": 77,
    "augment.rotation": 74,
    "augment.affine": 74,
    "augment.perspective": 76,
    "augment.rand_augment": 106,  # two rounds of fourteen operations, for four steps at once
    "augment.trivial_augment": 90,
    "augment.aug_mix": 110,  # chains of up to three operations, for four steps at once
    "augment.color_jitter": 76,
    "augment.brightness_contrast": 75,
    "augment.rgb_shift": 74,
    "augment.grayscale": 75,
    "augment.auto_contrast": 76,
    "augment.blur": 78,
    "augment.motion_blur": 80,
    "augment.iso_noise": 90,
    "augment.gaussian_noise": 76,
    "augment.jpeg": 75,  # compresses on the CPU, once for four steps: there and back
    "augment.erasing": 76,
    "augment.cutout": 75,
    "augment.some_rand_augment": 98,
    "augment.some_trivial_augment": 92,
    "augment.some_aug_mix": 111,  # as above
    "augment.some_iso_noise": 90,
    "augment.erasing_by_noise": 77,
    "augment.erasing_by_mean": 76,
    "augment.mixup": 88,
    "augment.cutmix": 77,
    "augment.alternating": 72,
    "augment.phases": 75,
    "augment.not_normalised": 72,
    "optimizer.sgd": 72,
    "optimizer.adam": 74,
    "optimizer.adamw": 74,
    "optimizer.lion": 88,  # signs and rates of whole lists: torch has no fused operator for them
    "optimizer.muon": 161,  # five Newton-Schulz iterations, and AdamW beside them
    "schedule.cosine": 72,
    "schedule.step": 72,
    "schedule.multistep": 72,
    "schedule.constant": 72,
    "schedule.linear": 72,
    "schedule.cosine_restarts": 72,
    "schedule.onecycle": 72,
    "technique.averaged": 74,
    "technique.lookahead": 73,
    "technique.regularised": 100,  # average, clipping, lookahead
    "technique.norm_bias": 73,
    "technique.without_momentum": 72,
    "technique.depth": 98,
    "technique.group_norm": 66,
    "technique.no_norm": 54,
    "technique.label_noise": 72,
    "technique.subset": 72,
    "technique.resized": 72,
    "technique.mirror": 72,
    "technique.mirror_translate": 72,
    "technique.fast": 190,  # Muon, and the activations of airbench
    "technique.frozen": 58,
    "technique.frozen_adamw": 64,
    "technique.text_head": 100,  # normalised features and embeddings, and their gradients
    "graph of augment.cutmix": 13,
    "graph of augment.rand_augment": 45,  # augmentation stays outside, and so do averages below
    "graph of plain": 11,
    "graph of optimizer.adamw": 11,
    "graph of optimizer.lion": 11,
    "graph of optimizer.muon": 11,
    "graph of schedule.onecycle": 20,  # its momentum differs from step to step, so the update stays outside
    "graph of technique.regularised": 14,
    "graph of technique.depth": 11,
    "graph of technique.group_norm": 11,
    "graph of technique.fast": 11,
    "graph of technique.frozen": 11,
    "graph of technique.frozen_adamw": 11,
    "graph of model.airbench": 11,
    "graph of model.cbam_cnn": 11,
    "graph of model.wide_resnet": 11,
}
COPIES: Mapping[str, float] = {"augment.jpeg": 0.5}
"""Copies between host and device in a step; 0 where a scenario is not named."""
WAITS: Mapping[str, float] = {"augment.jpeg": 0.5}
"""Waits of the host in a step; 0 where a scenario is not named."""
EPOCH_WAITS: Mapping[str, int] = {
    "plain": 2,
    "graph of technique.frozen": 3,  # the epoch that unfreezes a part captures a new graph
    "graph of technique.frozen_adamw": 3,
    "graph of model.airbench": 3,
}
"""Waits of the host in an epoch, its validation included; those of "plain" where a scenario is not named."""
