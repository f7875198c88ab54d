"""The network of cifar10-airbench: its size, whitening stem, Dirac start and frozen parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, unfold

from cifar_sweep.data.split import load_test, load_training
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models import build
from cifar_sweep.models.architectures.airbench import Airbench
from cifar_sweep.models.initial_weights import initialise
from cifar_sweep.models.recipes import AirbenchRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe
from cifar_sweep.schema import Shape
from cifar_sweep.train import Trainer
from cifar_sweep.training.whitening import EPSILON, second_moment, whiten, whitening_filters
from cifar_sweep.transfer import freeze
from cifar_sweep.transfer.freezing import trained_names
from cifar_sweep.workload import cost
from sweeps.workload import Run
from tests.cifar_sweep.real_images import photos, source_of

SMALL = {"name": "airbench", "widths": [8, 16]}
MakeRecipe, MakeRun = Callable[..., Recipe], Callable[..., Run]


COLOUR = Shape(3, 32, 10)


def network(shape: Shape = COLOUR, **settings: Any) -> Airbench:
    net = build(AirbenchRecipe(**settings), shape)
    initialise(net, 3)
    assert isinstance(net, Airbench)
    return net


def digits_trainer(make_recipe: MakeRecipe, make_run: MakeRun, run: dict[str, Any] | None = None, **model: Any):
    return Trainer.start(make_recipe(model=SMALL | model), make_run(**(run or {})))


def test_the_default_is_airbench94_with_its_1_97_million_parameters():
    counts = cost(Recipe.model_validate({"model": {"name": "airbench"}}))
    stem, norms, head = 2 * 12 * 12 + 24, 4 * (64 + 256 + 256), 256 * 10 + 10
    blocks = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 256 * 256 + 256 * 256 + 256 * 256)
    assert counts["parameters"] == stem + blocks + norms + head == 1_972_802
    assert counts["trainable_parameters"] == counts["parameters"] - 2 * 12 * 12 - norms // 2  # filters, gains
    hundred = cost(Recipe.model_validate({"model": {"name": "airbench"}, "data": {"name": "cifar100"}}))
    assert hundred["parameters"] - counts["parameters"] == 90 * 257


def test_the_network_is_stem_blocks_with_pool_before_the_norm_and_a_scaled_head():
    net, images = network(widths=(8, 16)).eval(), photos(4)
    net.stem.bias.data.normal_()
    maps = torch.nn.functional.gelu(conv2d(images, net.stem.weight, net.stem.bias))
    for block in net.blocks:
        maps = torch.nn.functional.max_pool2d(conv2d(maps, block.conv1.weight, padding=1), 2)
        maps = torch.nn.functional.gelu(block.norm1(maps))
        maps = torch.nn.functional.gelu(block.norm2(conv2d(maps, block.conv2.weight, padding=1)))
    logits = maps.flatten(2).max(dim=2).values @ net.head.output.weight.T / 9
    assert maps.shape[2:] == (7, 7)
    torch.testing.assert_close(net(images), logits + net.head.output.bias)
    assert (net.blocks[0].norm1.momentum, net.blocks[0].norm1.eps) == (0.4, 1e-12)


@pytest.mark.parametrize("data", ["photos", "digits"])
def test_whitened_patches_have_the_identity_as_their_covariance(data: str, data_dir: Path, make_recipe, make_run):
    if data == "photos":
        source, index = source_of(photos()), torch.arange(12)
    else:
        trainer = digits_trainer(make_recipe, make_run)
        source, index = trainer.images.source, trainer.images.train
    filters = whitening_filters(second_moment(source, index, 2))
    images = source.batch(index)[0]
    patches = unfold(images, 2).permute(0, 2, 1).reshape(-1, 4 * images.shape[1])  # by channel, row, column
    count = len(filters) // 2
    out = patches @ filters[:count].T
    covariance = (out.T @ out / len(out)).double()
    values = torch.linalg.eigvalsh((patches.T @ patches / len(patches)).double()).flip(0)
    expected = torch.diag(values / (values + EPSILON))  # one, except in directions that hardly vary
    torch.testing.assert_close(covariance, expected, atol=2e-3, rtol=0)
    assert expected.diag()[0] > 0.999
    assert torch.equal(filters[count:], -filters[:count])


def test_the_stem_whitens_the_training_images_of_the_split_alone(make_recipe: MakeRecipe, make_run: MakeRun):
    trainer = digits_trainer(make_recipe, make_run)
    filters = trainer.network.get_parameter("stem.weight").flatten(1)
    images, split = load_training(trainer.recipe.data, make_run())
    torch.testing.assert_close(filters.abs(), filters_by_svd(images.pixels[split.train], trainer), atol=1e-5, rtol=0)
    test = load_test(trainer.recipe.data, make_run(access=frozenset({"test"})))
    for pixels in (images.pixels[split.validation], test.pixels):  # other images give other filters
        assert (filters.abs() - filters_by_svd(pixels, trainer)).abs().max() > 1e-3
    spoilt, source = network(Shape(1, 8, 10), widths=(8, 16)), trainer.images.source
    pixels = torch.randint(0, 256, source.pixels.shape, dtype=torch.uint8)
    pixels[trainer.images.train] = source.pixels[trainer.images.train]
    whiten(spoilt, replace(trainer.images, source=replace(source, pixels=pixels)))
    assert torch.equal(spoilt.stem.weight.flatten(1), filters)


def filters_by_svd(pixels: np.ndarray, trainer: Trainer) -> Tensor:
    """The absolute whitening filters, computed another way: by numpy, from the singular vectors of all patches."""
    scaling = trainer.images.source.scaling
    images = pixels[..., 0].astype(np.float64) * float(scaling.factor) + float(scaling.offset)
    patches = np.stack([images[:, r : r + 7, c : c + 7].ravel() for r in (0, 1) for c in (0, 1)], axis=1)
    _, singular, vectors = np.linalg.svd(patches, full_matrices=False)
    filters = vectors / np.sqrt(singular**2 / len(patches) + EPSILON)[:, None]
    return torch.from_numpy(np.abs(np.concatenate([filters, filters]))).float()


def test_the_filters_are_in_the_checkpoint_and_need_no_data_again(make_recipe: MakeRecipe, make_run: MakeRun, tmp_path):
    trainer = digits_trainer(make_recipe, make_run)
    trainer.run_epoch()
    trainer.save(tmp_path)
    loaded = Trained.load(trainer.recipe, tmp_path, torch.device("cpu"))
    assert torch.equal(loaded.network.get_parameter("stem.weight"), trainer.network.get_parameter("stem.weight"))


def test_loaded_weights_keep_their_filters(make_recipe: MakeRecipe, make_run: MakeRun, tmp_path: Path):
    first = digits_trainer(make_recipe, make_run)
    torch.save({name: tensor * 2 for name, tensor in first.network.state_dict().items()}, tmp_path / "weights.pt")
    loaded = Trainer.start(
        make_recipe(model=SMALL, transfer={"weights": str(tmp_path / "weights.pt")}), make_run(split_seed=2)
    )
    assert torch.equal(loaded.network.get_parameter("stem.weight"), first.network.get_parameter("stem.weight") * 2)


def test_without_whitening_the_stem_is_drawn_and_trained(make_recipe: MakeRecipe, make_run: MakeRun):
    trainer = digits_trainer(make_recipe, make_run, whitening=False)
    drawn = trainer.network.get_parameter("stem.weight").clone()
    unwhitened = build(trainer.recipe.model, trainer.recipe.data.shape)
    initialise(unwhitened, trainer.seed)
    assert torch.equal(drawn, unwhitened.get_parameter("stem.weight"))
    trainer.run_epoch()
    assert not torch.equal(trainer.network.get_parameter("stem.weight"), drawn)


def test_filters_and_gains_are_frozen_and_the_stems_bias_after_its_epochs(make_recipe, make_run):
    trainer = digits_trainer(make_recipe, make_run, whiten_bias_epochs=2)
    weights = {name: tensor.clone() for name, tensor in trainer.network.named_parameters()}
    biases = [weights["stem.bias"]]
    for _ in range(3):
        trainer.run_epoch()
        biases.append(trainer.network.get_parameter("stem.bias").detach().clone())
    changed = {name for name, tensor in trainer.network.named_parameters() if not torch.equal(tensor, weights[name])}
    frozen = {"stem.weight", *(f"blocks.{block}.norm{norm}.weight" for block in (0, 1) for norm in (1, 2))}
    assert changed == set(weights) - frozen
    assert [torch.equal(*pair) for pair in pairwise(biases)] == [False, False, True]


def test_the_networks_freezing_and_that_of_the_recipe_add_up():
    net = network(**SMALL)
    body = TransferRecipe.model_validate({"freeze": "body", "unfreeze": [{"epoch": 1, "parameters": "all"}]})
    assert trained_names(net, body, 0) == {"head.output.weight", "head.output.bias"}
    freeze(net.train(), body, 1)
    assert {name for name, parameter in net.named_parameters() if not parameter.requires_grad} == net.frozen(1)
    with pytest.raises(ValueError, match="leaves no parameter to train"):
        trained_names(net, TransferRecipe.model_validate({"freeze": ["head*", "blocks*", "stem.bias"]}), 0)


def test_a_dirac_start_passes_its_input_on():
    net, plain = network(**SMALL), network(**SMALL, dirac_init=False)
    maps = torch.randn(2, 8, 6, 6)
    conv1, conv2 = net.blocks[1].conv1, net.blocks[1].conv2
    assert torch.equal(conv2(conv1(maps))[:, :8], maps)
    assert torch.equal(conv1.weight[8:], plain.blocks[1].conv1.weight[8:])  # the others are drawn as without it
    assert not torch.equal(conv1.weight[:8], plain.blocks[1].conv1.weight[:8])
    narrowing = network(widths=(8,)).blocks[0].conv1  # 24 maps in, 8 out
    maps = torch.randn(2, 24, 6, 6)
    assert torch.equal(narrowing(maps), maps[:, :8])


def test_digits_go_through_two_blocks_or_with_padding_through_three():
    shape, images = Shape(1, 8, 10), torch.randn(4, 1, 8, 8)
    assert network(shape, widths=(8, 16))(images).shape == (4, 10)
    assert network(shape, widths=(8, 16, 16), stem_padding=1)(images).shape == (4, 10)
    with pytest.raises(ValueError, match=r"the 8x8 images vanish in the layer blocks.2.pool: .* fewer stages"):
        network(shape, widths=(8, 16, 16))


def test_a_level_of_a_hierarchy_whitens_the_images_of_its_own_classes(make_recipe: MakeRecipe, make_run: MakeRun):
    from cifar_sweep.training.hierarchical import HierarchyTrainer

    groups = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    model = {"name": "hierarchical", "groups": groups, "coarse": SMALL, "fine": SMALL}
    trainer = HierarchyTrainer.start(make_recipe(model=model), make_run())
    for level in trainer.levels:
        expected = whitening_filters(second_moment(level.images.source, level.images.train, 2))
        assert torch.equal(level.network.get_parameter("stem.weight").flatten(1), expected)
    trainer.run_epoch()
    assert "fine.1.stem.weight" in trainer.network.frozen(0)
    stems = [level.network.get_parameter("stem.weight") for level in trainer.levels]
    assert not torch.equal(stems[0], stems[1])
