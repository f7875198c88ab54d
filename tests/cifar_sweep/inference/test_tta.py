"""Test-time augmentation against a plain mean over views made with torch's own flip and padding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from cifar_sweep.data.split import load_test
from cifar_sweep.inference.evaluate import evaluate_network
from cifar_sweep.inference.trained import Trained
from cifar_sweep.inference.tta import parse_tta
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import Trainer
from sweeps.workload import Run

MODEL = {"blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]}


def plainly(network: torch.nn.Module, images: Tensor, tta: str) -> Tensor:
    """The mean of the logits, view by view, of scaled images (N, channels, size, size)."""

    def both(seen: Tensor) -> Tensor:
        return 0.5 * network(seen) + 0.5 * network(seen.flip(3))

    if tta == "none":
        return network(images)
    if tta == "mirror":
        return both(images)
    size, wider = images.shape[-1], pad(images, (1, 1, 1, 1), "reflect")
    moved = [wider[:, :, :size, :size], wider[:, :, 2:, 2:]]
    return 0.5 * both(images) + 0.25 * both(moved[0]) + 0.25 * both(moved[1])


@pytest.fixture(params=["none", "mirror", "mirror_translate"])
def trainer(
    request: pytest.FixtureRequest, make_recipe: Callable[..., Recipe], make_run: Callable[..., Run]
) -> Trainer:
    made = Trainer.start(make_recipe(tta=request.param, epochs=1), make_run())
    made.run_epoch()
    return made


def test_validation_is_the_plain_mean_over_the_views(trainer: Trainer):
    source, index = trainer.images.source, trainer.images.validation
    images, labels = source.batch(index)
    with torch.no_grad():
        logits = plainly(trainer.network.eval(), images, trainer.recipe.tta)
    loss, accuracy = trainer.validate().means()
    assert loss == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-4)
    assert accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).double().mean()))


def test_the_sealed_test_set_and_predictions_have_the_same_views(trainer: Trainer, make_run, tmp_path: Path):
    trainer.save(tmp_path)
    run = make_run(access=frozenset({"test"}), restored=tmp_path)
    test = load_test(trainer.recipe.data, run)
    trained = Trained.load(trainer.recipe, tmp_path, torch.device("cpu"))
    with torch.no_grad():
        expected = plainly(trained.network, trained.scaling(torch.from_numpy(test.pixels)), trainer.recipe.tta)
    torch.testing.assert_close(trained.logits(torch.from_numpy(test.pixels), trainer.recipe.tta), expected)
    [(name, figures)] = evaluate_network(trainer.recipe, run, [])
    assert name == "test"
    assert figures["loss"] == pytest.approx(float(cross_entropy(expected, torch.from_numpy(test.labels))), rel=1e-4)


def test_the_views_differ_where_they_should(make_recipe: Callable[..., Recipe], make_run: Callable[..., Run]):
    losses = set()
    for tta in ("none", "mirror", "mirror_translate"):
        made = Trainer.start(make_recipe(tta=tta, epochs=1), make_run())
        made.run_epoch()
        losses.add(made.validate().means()[0])
    assert len(losses) == 3


def test_a_hierarchy_is_measured_over_its_views(make_recipe: Callable[..., Recipe], make_run: Callable[..., Run]):
    from cifar_sweep.training.hierarchical import HierarchyTrainer

    model = {"name": "hierarchical", "groups": [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]}
    small = {"name": "resnet", **MODEL}
    recipe = make_recipe(model={**model, "coarse": small, "fine": small}, tta="mirror", epochs=1)
    made = HierarchyTrainer.start(recipe, make_run())
    images, labels = made.images.source.batch(made.images.validation)
    with torch.no_grad():
        logits = plainly(made.evaluated.eval(), images, "mirror")
    assert made.validate()[0].means()[0] == pytest.approx(float(cross_entropy(logits, labels)), rel=1e-4)


def test_an_unknown_name_is_refused():
    assert parse_tta("mirror") == "mirror"
    with pytest.raises(ValueError, match="tta must be none, mirror, mirror_translate but is 'flip'"):
        parse_tta("flip")
