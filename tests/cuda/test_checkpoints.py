"""States that are copied from the pretended device and written beside the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cifar_sweep.device.host_copy import host_copy
from cifar_sweep.train import STATE, Trainer, train_network
from tests.cuda.pretended import Device, pretended
from tests.cuda.scenarios import SCENARIOS
from tests.cuda.training import OF_THE_MACHINE, Site, train

KILLED_AFTER = 2
NAMES = ("technique.regularised", "technique.fast", "technique.pretrained", "technique.pseudo_labels")


@pytest.mark.parametrize(
    "name", ["technique.regularised", "technique.fast", "technique.pretrained", "technique.pseudo_labels"]
)
def test_resumed_curve_equals_uninterrupted(site: Site, tmp_path: Path, name: str):
    scenario = SCENARIOS[name]
    recipe = scenario.recipe(site.data_dir, epochs=KILLED_AFTER + 1)
    with pretended():
        uninterrupted = train(recipe, site.run("cuda"))
    with pretended():
        run = site.run("cuda", folder=tmp_path / "killed", checkpoint_every=0.0)
        killed = []
        for row in train_network(recipe, run):
            killed.append({name: value for name, value in row.items() if name not in OF_THE_MACHINE})
            if len(killed) == KILLED_AFTER:
                break
            run.epoch += 1
        run.close()
    with pretended():
        resumed = train(recipe, site.run("cuda", folder=tmp_path / "killed"))
    assert killed == uninterrupted[:KILLED_AFTER]
    assert resumed == uninterrupted[KILLED_AFTER - 1 :]


def test_copy_is_complete_when_training_goes_on_and_the_host_has_waited_once(site: Site, gpu: Device):
    trainer = Trainer.start(SCENARIOS["technique.regularised"].recipe(site.data_dir), site.run("cuda"))
    trainer.run_epoch()
    with gpu.counted() as log:
        state = trainer.saved_state()
    assert (log.waits.total(), log.copies.total()) == (0, 0)  # most of them are not saved
    with gpu.counted() as log:
        copied = host_copy(state)
    assert log.waits.total() == 1
    before = {name: tensor.clone() for name, tensor in copied["network"].items()}
    trainer.run_epoch()
    assert all(torch.equal(before[name], copied["network"][name]) for name in before)
    with gpu.counted() as log:
        torch.save(copied, site.folder / STATE)
    assert log.copies.total() == 0  # all of it lies in the host's memory
    trainer.save(site.folder)
    now = torch.load(site.folder / STATE, map_location="cpu", weights_only=True)["network"]
    assert any(not torch.equal(copied["network"][name], now[name]) for name in now)
