"""Weights are cast once a step, and every figure stays what autocast by itself makes it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune.rehearsal import Rehearsal

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"model__stochastic_depth": 0.2, "model__head__dropout": 0.3, "regularization__ema": 0.9},
    "frozen": {"transfer__freeze": "body", "transfer__unfreeze": [{"epoch": 1, "parameters": ["stages.1.*"]}]},
    "cbam_cnn": {"model": {"name": "cbam_cnn"}, "epochs": 1},
    "airbench": {"model": {"name": "airbench", "widths": [8, 16, 16]}, "data__resize": 32, "epochs": 1},
}


class Casts(TorchDispatchMode):
    """Counts the operators that turn a tensor into another type."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in ("_to_copy", "_foreach_copy_"):
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def state(trainer: Trainer) -> list[torch.Tensor]:
    return list(trainer.network.state_dict().values())


@pytest.mark.parametrize("overrides", NETWORKS.values(), ids=list(NETWORKS))
def test_training_equals_that_of_autocast_alone_bit_for_bit(make_recipe, make_run, overrides):
    recipe = make_recipe(**{"epochs": 2, "data__train_limit": 128, **overrides}, precision="bf16")
    once, alone = Trainer.start(recipe, make_run()), Trainer.start(recipe, make_run())
    alone.eager._halves = None
    for _ in range(recipe.epochs):
        first, second = once.run_epoch(), alone.run_epoch()
        assert (first["train_loss"], first["val_loss"]) == (second["train_loss"], second["val_loss"])
    torch.testing.assert_close(state(once), state(alone), rtol=0, atol=0)


def test_a_step_casts_all_weights_at_once(make_recipe, make_run):
    rehearsal = Rehearsal(Trainer.start(make_recipe(precision="bf16"), make_run()))
    rehearsal.step()  # in which autocast shows which weights it casts
    with Casts() as casts:
        rehearsal.step()
    assert casts.counts["_foreach_copy_"] == 2  # there and back
    assert casts.counts["_to_copy"] < 8  # images and logits; not the 8 weights and their gradients


def test_weights_stay_in_place_in_float32_also_where_the_forward_pass_fails(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(precision="bf16"), make_run())
    rehearsal = Rehearsal(trainer)
    rehearsal.step()
    parameters = [id(parameter) for parameter in trainer.network.parameters()]

    def fail(module: Any, inputs: Any) -> None:
        raise RuntimeError("no memory")

    hook = trainer.network.head.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="no memory"):
        rehearsal.step()
    hook.remove()
    assert [id(parameter) for parameter in trainer.network.parameters()] == parameters
    rehearsal.step()
