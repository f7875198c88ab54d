from __future__ import annotations

import hashlib
import os
import pickle
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cifar_sweep.transfer.weights import Published, read_weights, weights_file
from sweeps.workload import Unavailable

TENSORS = {"conv.weight": torch.arange(4.0), "conv.bias": torch.ones(2)}


def saved(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def assert_same(read: dict[str, Tensor]) -> None:
    assert list(read) == list(TENSORS)
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in TENSORS.items()}


@pytest.mark.parametrize("content", [
    TENSORS,
    {"state_dict": TENSORS, "epoch": 7},
    {"model": TENSORS},
    {"network": TENSORS, "optimizer": {"lr": 0.1}},
    prefixed("module."),
    {"state_dict": prefixed("module.")},
    {"net": TENSORS, "acc": 93.0, "epoch": 7},
    {"model_state_dict": TENSORS, "optimizer_state_dict": {"lr": 0.1}},
    {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.5"},
    prefixed("_orig_mod."),
    prefixed("module._orig_mod."),
    {"model": prefixed("_orig_mod.module.")},
    prefixed("module.") | {"n_averaged": torch.tensor(5)},
])  # fmt: skip
def test_wrappers_of_a_network_and_their_prefixes_are_taken_off(tmp_path, content):
    assert_same(read_weights(saved(tmp_path / "weights.pt", content)))


def test_a_prefix_that_only_some_names_have_is_kept(tmp_path):
    tensors = prefixed("module.") | {"scale": torch.ones(1)}
    assert list(read_weights(saved(tmp_path / "weights.pt", tensors))) == list(tensors)


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "weights.safetensors")
    read = read_weights(tmp_path / "weights.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize(
    "content", [[1, 2], {}, {"epoch": 3}, {"state_dict": {"lr": 0.1}}, {"n_averaged": torch.ones(1)}]
)
def test_a_file_without_tensors_by_name_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match=r"weights\.pt holds no weights: a mapping from names to tensors"):
        read_weights(saved(tmp_path / "weights.pt", content))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("sprung",)


def test_code_in_a_file_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(pickle.dumps({"a": Trap()}, protocol=2))
    saved(tmp_path / "other.pth", {"network": TENSORS, "extra": Trap()})
    for name in ("weights.pth", "other.pth"):
        with pytest.raises(ValueError, match=r"cannot be read as plain tensors. Save the network's state_dict\(\)"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, no weights here\n", b"PK\x03\x04 cut short"])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        read_weights(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_file_is_refused_by_name(tmp_path, legacy):
    path, generator = tmp_path / "weights.pt", random.Random(0)
    torch.save(TENSORS, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[generator.randrange(min(len(damaged), 900))] = generator.randrange(256)
        path.write_bytes(damaged)
        with suppress(ValueError):  # damage to a figure does not show
            read_weights(path)


def test_a_missing_file_is_named_with_the_nearest_there_is(tmp_path):
    saved(tmp_path / "teachers" / "best.pt", TENSORS)
    assert weights_file("teachers/best.pt", tmp_path) == tmp_path / "teachers" / "best.pt"
    assert weights_file(str(tmp_path / "teachers" / "best.pt"), Path("elsewhere")).exists()
    with pytest.raises(Unavailable, match=r"no file .*bets\.pt \(there is best\.pt\).*--data-dir or \$SWEEP_DATA"):
        weights_file("teachers/bets.pt", tmp_path)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = saved(tmp_path / "best.pt", TENSORS)
    assert weights_file("~/best.pt", Path("elsewhere")) == path
    with pytest.raises(Unavailable, match="no file elsewhere/~nobody-here"):
        weights_file("~nobody-here/best.pt", Path("elsewhere"))


@pytest.mark.parametrize("name", ["DEFAULT", "IMAGENET1K_V2", "ResNet50_Weights.IMAGENET1K_V2"])
def test_published_weights_are_looked_for_by_their_file_name_in_torch_home(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = Published.named("resnet50", name)
    assert published.path == tmp_path / "hub" / "checkpoints" / "resnet50-11ad3fa6.pth"
    saved(published.path, TENSORS)
    published.fetch()  # finds it, whatever its hash
    assert_same(published.read())


@pytest.mark.parametrize("name", ["IMAGENET1K_V3", "ResNet18_Weights.IMAGENET1K_V2", "DEFALT"])
def test_an_unknown_name_of_weights_is_answered_with_those_there_are(name):
    there = r"torchvision has for resnet50: ResNet50_Weights\.IMAGENET1K_V1, ResNet50_Weights\.IMAGENET1K_V2"
    with pytest.raises(ValueError, match=f"transfer.weights is {name} but {there}"):
        Published.named("resnet50", name)


def test_weights_are_downloaded_once_and_their_hash_is_checked(tmp_path):
    origin = saved(tmp_path / "origin.pth", TENSORS)
    digest = hashlib.sha256(origin.read_bytes()).hexdigest()[:8]
    published = Published(origin.as_uri(), tmp_path / "home" / f"net-{digest}.pth")
    published.fetch()
    origin.unlink()
    published.fetch()
    assert_same(published.read())


def test_a_download_of_another_file_than_promised_is_thrown_away(tmp_path):
    origin = saved(tmp_path / "origin.pth", TENSORS)
    published = Published(origin.as_uri(), tmp_path / "home" / "net-00000000.pth")
    with pytest.raises(Unavailable, match="the download failed: invalid hash value"):
        published.fetch()
    assert list((tmp_path / "home").iterdir()) == []


def test_without_file_and_network_the_way_out_names_address_file_and_folder(tmp_path):
    published = Published("http://127.0.0.1:9/net-12345678.pth", tmp_path / "hub" / "checkpoints" / "net-12345678.pth")
    with pytest.raises(Unavailable) as refusal:
        published.fetch()
    for part in (f"no {published.path}", "the download failed", f"Put {published.url} there", "set TORCH_HOME"):
        assert part in str(refusal.value)
    with pytest.raises(Unavailable, match=f"no {published.path}"):
        published.read()


def test_the_old_names_of_densenet_are_brought_up_to_date(tmp_path):
    old = "features.denseblock1.denselayer2"
    names = [f"{old}.norm.1.running_mean", f"{old}.conv.2.weight", "features.norm5.weight", "features.conv0.weight"]
    path = saved(tmp_path / "densenet121-a639ec97.pth", {name: torch.ones(1) for name in names})
    new = [f"{old}.norm1.running_mean", f"{old}.conv2.weight", "features.norm5.weight", "features.conv0.weight"]
    assert list(Published("", path).read()) == new
