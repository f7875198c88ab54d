from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchvision.models import get_model

from cifar_sweep.models import build
from cifar_sweep.models.network import Network
from cifar_sweep.models.recipes import ResNetRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe, weights_kind
from cifar_sweep.schema import Shape
from cifar_sweep.transfer import freeze, load_weights, require_weights, trainable_parameters, trained_names
from sweeps.workload import Run, Site, Unavailable

DIGITS = Shape(channels=1, size=8, classes=10)
RESNET18 = {"name": "torchvision", "arch": "resnet18"}
PUBLISHED = Path("hub", "checkpoints", "resnet18-f37072fd.pth")


@pytest.fixture
def a_run(tmp_path: Path) -> Run:
    """A run whose data folder and whose runs folder is `tmp_path`."""
    return Run(seed=1, split_seed=1, device="cpu", data_dir=tmp_path, folder=tmp_path, runs_dir=tmp_path)


def small_net() -> Network:
    return build(ResNetRecipe(blocks=(1, 1), widths=(4, 8), strides=(1, 2)), DIGITS)


def saved(path: Path, content: dict[str, Tensor]) -> dict[str, Tensor]:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return content


def filled(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(tensor.shape, generator=generator) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in network.state_dict().items()
    }


def taken(network: nn.Module, weights: dict[str, Tensor], prefix: str = "") -> set[str]:
    """The names of the network's tensors that are those of `weights`."""
    state = network.state_dict()
    return {name for name in state if prefix + name in weights and torch.equal(state[name], weights[prefix + name])}


def heads(network: nn.Module) -> set[str]:
    return {name for name in network.state_dict() if name.startswith("head.")}


# The recipe


@pytest.mark.parametrize(("weights", "kind"), [
    ("IMAGENET1K_V1", "torchvision"), ("DEFAULT", "torchvision"), ("ResNet50_Weights.IMAGENET1K_V2", "torchvision"),
    ("study:7", "trial"), ("r3-lenet_2:final/0", "trial"),
    ("best.pt", "file"), ("/data/a b/best.pth", "file"), ("runs:1/0.safetensors", "file"),
    ("best.ckpt", "file"), ("best.pth.tar", "file"),
    ("best.tar", None), ("best.bin", None), ("study", None), ("study:", None), ("", None), ("imagenet", None),
])  # fmt: skip
def test_what_weights_name_is_told_by_their_form(weights, kind):
    assert weights_kind(weights) == kind


@pytest.mark.parametrize(("settings", "message"), [
    ({"weights": "best.bin"}, r"give torchvision weights .* a trial .* or a file of weights \(\.pt"),
    ({"freeze": 0}, 'give "body", a count of parameter tensors'),
    ({"freeze": True}, 'give "body", a count of parameter tensors'),
    ({"freeze": []}, 'give "body", a count of parameter tensors'),
    ({"freeze": "heads"}, 'give "body", a count of parameter tensors'),
    ({"freeze": "body", "unfreeze": [{"epoch": 1, "parameters": "body"}]}, 'give "all", a count of parameter tensors'),
    ({"unfreeze": [{"epoch": 1}]}, "unfreeze is given but freeze is null"),
    ({"head": "keep"}, "head is keep but weights is None"),
    ({"head": "keep", "weights": "DEFAULT"}, "head is keep but weights is DEFAULT: only a trial or a file"),
])  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TransferRecipe.model_validate(settings)


@pytest.mark.parametrize("settings", [
    {},
    {"weights": "study:7", "head": "keep", "freeze": "body", "unfreeze": [{"epoch": 2}, {"epoch": 1, "parameters": 3}]},
    {"weights": "DEFAULT", "freeze": ["body.layer1.*"], "unfreeze": [{"epoch": 1, "parameters": ["*.bias"]}]},
])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_a_dumped_recipe_is_the_recipe(settings):
    recipe = TransferRecipe.model_validate(settings)
    assert TransferRecipe.model_validate(recipe.model_dump(mode="json")) == recipe
    assert isinstance(hash(recipe), int)


# Loading


def test_the_body_comes_from_a_trial_and_the_head_starts_anew(make_recipe, make_run, curve, a_run, tmp_path):
    folder = tmp_path / "study" / "final" / "0007"
    folder.mkdir(parents=True)
    earlier = make_recipe(epochs=1)
    curve(earlier, make_run(folder=folder))
    (folder / "recipe.yaml").write_text(earlier.model_dump_json(), encoding="utf-8")  # JSON is YAML
    weights = torch.load(make_run(folder=folder).restored / "state.pt", weights_only=True)["network"]
    network = build(earlier.model, DIGITS)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_weights(network, make_recipe(transfer__weights="study:final/7"), a_run)
    assert taken(network, weights) >= set(weights) - heads(network)
    assert taken(network, before) >= heads(network)
    with pytest.raises(Unavailable, match="study:7"):
        load_weights(network, make_recipe(transfer__weights="study:7"), a_run)


def test_another_number_of_classes_needs_no_word(make_recipe, a_run, tmp_path):
    other = build(ResNetRecipe(blocks=(1, 1), widths=(4, 8), strides=(1, 2)), Shape(1, 8, 37))
    weights = saved(tmp_path / "w.pt", filled(other))
    network = small_net()
    load_weights(network, make_recipe(transfer__weights="w.pt"), a_run)
    assert taken(network, weights) == set(weights) - heads(network)


def test_the_head_is_kept_on_request_and_must_fit(make_recipe, a_run, tmp_path):
    weights = saved(tmp_path / "w.pt", filled(small_net()))
    network = small_net()
    load_weights(network, make_recipe(transfer__weights="w.pt", transfer__head="keep"), a_run)
    assert taken(network, weights) == set(weights)
    other = build(ResNetRecipe(blocks=(1, 1), widths=(4, 8), strides=(1, 2)), Shape(1, 8, 37))
    with pytest.raises(
        ValueError, match=r"head\.output\.weight is 10x8 there and 37x8 here.*Set transfer\.head to new"
    ):
        load_weights(other, make_recipe(transfer__weights="w.pt", transfer__head="keep"), a_run)


def test_weights_of_other_shapes_are_refused_with_the_first_five_and_both_shapes(make_recipe, a_run, tmp_path):
    wider = build(ResNetRecipe(blocks=(1, 1), widths=(6, 8), strides=(1, 2)), DIGITS)
    saved(tmp_path / "w.pt", filled(wider))
    with pytest.raises(ValueError, match="its tensors do not fit this network") as refusal:
        load_weights(small_net(), make_recipe(transfer__weights="w.pt"), a_run)
    message = str(refusal.value)
    assert "transfer.weights is w.pt" in message
    assert "stem.conv.weight is 6x1x3x3 there and 4x1x3x3 here; stem.norm.weight is 6 there and 4 here" in message
    assert message.count(" there and ") == 5
    assert "; and 12 more. Describe in model" in message


def test_weights_of_a_deeper_and_of_a_shallower_network_are_refused_by_name(make_recipe, a_run, tmp_path):
    deeper = build(ResNetRecipe(blocks=(1, 2), widths=(4, 8), strides=(1, 2)), DIGITS)
    saved(tmp_path / "deep.pt", filled(deeper))
    saved(tmp_path / "small.pt", filled(small_net()))
    with pytest.raises(ValueError, match=r"12 unknown here: stages\.1\.1\.conv1\.weight; .*; and 7 more. Describe"):
        load_weights(small_net(), make_recipe(transfer__weights="deep.pt"), a_run)
    with pytest.raises(ValueError, match=r"10 missing there: stages\.1\.1\.conv1\.weight; "):
        load_weights(deeper, make_recipe(transfer__weights="small.pt"), a_run)


def test_weights_that_do_not_fit_leave_the_network_as_it_was(make_recipe, a_run, tmp_path):
    network = small_net()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    saved(tmp_path / "w.pt", {**filled(network), "stem.conv.weight": torch.ones(4, 1, 5, 5)})
    with pytest.raises(ValueError, match="do not fit"):
        load_weights(network, make_recipe(transfer__weights="w.pt"), a_run)
    assert taken(network, before) == set(before)


def test_a_resumed_run_does_not_need_the_weights_any_more(make_recipe, a_run, tmp_path):
    a_run.restored = tmp_path
    load_weights(small_net(), make_recipe(transfer__weights="gone.pt"), a_run)


def test_a_loaded_network_goes_on_where_the_weights_came_from(make_recipe, make_run, curve, tmp_path):
    run = make_run(folder=tmp_path / "first")
    first = curve(make_recipe(epochs=3, data__train_limit=None), run)
    state = make_run(folder=tmp_path / "first").restored / "state.pt"
    second = make_recipe(epochs=1, data__train_limit=None, transfer__weights=str(tmp_path / "w.pt"))
    torch.save(torch.load(state, weights_only=True)["network"], tmp_path / "w.pt")
    transferred = curve(second, make_run())
    scratch = curve(make_recipe(epochs=1, data__train_limit=None), make_run())
    assert first[-1]["val_accuracy"] > 60
    assert transferred[0]["train_loss"] < scratch[0]["train_loss"] - 0.3


# torchvision's weights


@pytest.fixture
def imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """A ResNet-18 with 1000 classes where torchvision's own weights would be, under torchvision's names."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return saved(tmp_path / PUBLISHED, filled(get_model("resnet18", weights=None)))


def torchvision_recipe(**settings: Any) -> Recipe:
    data = {"name": "npz", "path": "a.npz", "size": 32, "channels": 3, "classes": 5}
    transfer = {"weights": "IMAGENET1K_V1", **settings.pop("transfer", {})}
    return Recipe.model_validate({"data": data, "model": {**RESNET18, **settings}, "transfer": transfer})


def test_torchvisions_weights_go_into_the_body(imagenet, a_run):
    recipe = torchvision_recipe()
    network = build(recipe.model, recipe.data.shape)
    load_weights(network, recipe, a_run)
    renamed = {f"body.{name}": tensor for name, tensor in imagenet.items()}
    assert taken(network, renamed) == set(network.state_dict()) - heads(network)
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_a_file_in_torchvisions_own_names_is_understood(imagenet, a_run, tmp_path):
    recipe = torchvision_recipe(transfer={"weights": str(PUBLISHED)})
    network = build(recipe.model, recipe.data.shape)
    load_weights(network, recipe, a_run)
    assert torch.equal(network.state_dict()["body.layer4.1.conv2.weight"], imagenet["layer4.1.conv2.weight"])


def test_the_small_stem_does_not_take_torchvisions_weights_and_says_what_does(imagenet, tmp_path):
    with pytest.raises(ValueError, match=r"conv1\.weight is 64x3x7x7 there and 64x3x3x3 here. Set model\.stem to imag"):
        require_weights(torchvision_recipe(stem="small"), Site(tmp_path, "cpu"))


@pytest.mark.parametrize("arch", ["densenet121", "convnext_tiny", "vgg11", "mobilenet_v2", "vit_b_16", "googlenet"])
def test_every_family_takes_its_weights_but_for_the_last_layer(arch, a_run, tmp_path, monkeypatch):
    monkeypatch.setattr("cifar_sweep.transfer.loading.read_weights", lambda _: theirs)
    (tmp_path / "w.pt").touch()
    settings = {"init_weights": False} if arch == "googlenet" else {}
    with torch.device("meta"):
        theirs = get_model(arch, weights=None, **settings).state_dict()
    recipe = torchvision_recipe(arch=arch, transfer={"weights": "w.pt"})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"size": 224})})
    require_weights(recipe, Site(tmp_path, "cpu"))


def test_torchvisions_weights_are_for_torchvisions_models(make_recipe, tmp_path):
    with pytest.raises(ValueError, match=r"model\.name is resnet: set model\.name to torchvision"):
        require_weights(make_recipe(transfer__weights="DEFAULT"), Site(tmp_path, "cpu"))


def test_what_is_needed_is_found_or_missed_before_training(imagenet, make_recipe, tmp_path):
    site = Site(tmp_path, "cpu")
    require_weights(make_recipe(), site)
    require_weights(torchvision_recipe(), site)
    require_weights(make_recipe(transfer__weights="study:7"), site)  # the engine's
    with pytest.raises(Unavailable, match=r"no file .*none\.pt"):
        require_weights(make_recipe(transfer__weights="none.pt"), site)


# Freezing


def plain_net() -> nn.Module:
    """Six parameter tensors: body.0 (2), body.1 (2), head (2), the head registered first."""
    network = nn.Module()
    network.head = nn.Linear(4, 10)
    network.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4))
    return network


FIRST, NORM, LAST = (
    {f"{part}.weight", f"{part}.bias"} for part in ("body.0", "body.1", "head")
)  # fmt: skip


@pytest.mark.parametrize(("frozen", "trained"), [
    (None, FIRST | NORM | LAST),
    ("body", LAST),
    (2, LAST),  # the head counts as last, wherever it was registered
    (3, LAST | {"body.1.bias"}),
    (["body.0.*"], NORM | LAST),
    (["*.bias", "body.0.weight"], {"body.1.weight", "head.weight"}),
])  # fmt: skip
def test_what_is_frozen_is_not_trained(frozen, trained):
    network = plain_net()
    freeze(network, TransferRecipe.model_validate({"freeze": frozen}), epoch=0)
    assert {name for name, parameter in network.named_parameters() if parameter.requires_grad} == trained


@pytest.mark.parametrize(("settings", "message"), [
    ({"freeze": ["bdoy.0.weight"]}, r"transfer\.freeze: no parameter is called bdoy\.0\.weight; the nearest are"),
    ({"freeze": 6}, r"transfer\.freeze is 6 but the network has 6 parameter tensors: give 5 or less"),
    ({"freeze": ["*"]}, "leaves no parameter to train"),
    ({"freeze": "body", "unfreeze": [{"epoch": 9, "parameters": ["x"]}]}, "unfreeze: no parameter is called x"),
])  # fmt: skip
def test_a_selection_of_nothing_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        freeze(plain_net(), TransferRecipe.model_validate(settings), epoch=0)


def test_parameters_thaw_at_their_epochs_whatever_came_before():
    steps = [{"epoch": 2, "parameters": ["body.1.*"]}, {"epoch": 4}]
    transfer = TransferRecipe.model_validate({"freeze": "body", "unfreeze": steps})
    expected = [LAST, LAST, LAST | NORM, LAST | NORM, LAST | NORM | FIRST]
    assert [trained_names(plain_net(), transfer, epoch) for epoch in range(5)] == expected
    network = plain_net()
    for epoch in range(5):
        network.train()
        freeze(network, transfer, epoch)
        assert network.body[1].training == (epoch >= 2)


def test_the_trained_parameters_are_counted_without_the_network_being_made():
    with torch.device("meta"):
        network = plain_net()
    assert trainable_parameters(network, TransferRecipe()) == 40 + 8 + 50
    assert trainable_parameters(network, TransferRecipe(freeze="body")) == 50
    assert trainable_parameters(network, TransferRecipe.model_validate({"freeze": ["body.0.*"]})) == 58


def moved(before: dict[str, Tensor], network: nn.Module) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(before[name], tensor)}


def train(network: nn.Module, transfer: TransferRecipe, epoch: int) -> set[str]:
    """Train on random images for some steps, as the trainer does; returns the names of what moved."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    network.train()
    freeze(network, transfer, epoch)
    for _ in range(3):
        images, labels = torch.rand(16, 1, 8, 8, generator=generator), torch.arange(16) % 10
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(network(images), labels).backward()
        optimizer.step()
    return moved(before, network)


def test_frozen_layers_keep_weights_and_statistics_while_the_others_move():
    network = small_net()
    transfer = TransferRecipe.model_validate({"freeze": ["stem.*", "stages.0.*"]})
    everything = set(network.state_dict())
    frozen = {name for name in everything if name.startswith(("stem.", "stages.0."))}
    assert train(network, transfer, epoch=0) == everything - frozen
    assert train(small_net(), TransferRecipe(), epoch=0) == everything


def test_a_fixed_feature_extractor_moves_its_head_alone():
    network = small_net()
    assert train(network, TransferRecipe(freeze="body"), epoch=0) == heads(network)


def losses(rows: list[Any]) -> list[tuple[float, float]]:
    return [(row["train_loss"], row["val_loss"]) for row in rows]


@pytest.mark.parametrize(
    "frozen", [{"freeze": "body"}, {"freeze": "body", "unfreeze": [{"epoch": 1, "parameters": 4}]}]
)
def test_the_trainer_freezes_and_thaws_and_a_resume_repeats_it(make_recipe, make_run, curve, tmp_path, frozen):
    recipe = make_recipe(transfer=frozen, epochs=2)
    whole = losses(curve(recipe, make_run(folder=tmp_path / "whole")))
    curve(recipe, make_run(folder=tmp_path / "killed"), stop_after=2)
    assert losses(curve(recipe, make_run(folder=tmp_path / "killed"))) == whole[1:]
    state = torch.load(make_run(folder=tmp_path / "whole").restored / "state.pt", weights_only=True)["network"]
    fresh = build(recipe.model, recipe.data.shape).state_dict()
    assert torch.equal(state["stem.norm.running_mean"], fresh["stem.norm.running_mean"])
