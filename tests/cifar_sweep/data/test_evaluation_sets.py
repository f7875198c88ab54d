"""The entries of a study's `evaluate`."""

from __future__ import annotations

from typing import Any

import pytest

from cifar_sweep import workload
from cifar_sweep.data.evaluation_sets import Corrupted, LabelledSet, labelled_sets, sets_of
from cifar_sweep.recipe import DataRecipe

KINDS = ["noise", "blur", "contrast", "jpeg", "brightness"]
CIFAR10 = DataRecipe(name="cifar10")
OWN = DataRecipe(name="npz", path="own.npz", size=16, channels=1, classes=4)


@pytest.mark.parametrize(("entry", "labels"), [
    ("corruptions", [f"{kind} {severity}" for kind in KINDS for severity in range(1, 6)]),
    *[(kind, [f"{kind} {severity}" for severity in range(1, 6)]) for kind in KINDS],
    ("noise:3", ["noise 3"]),
    ({"name": "grainy", "corruption": "noise", "severity": 3}, ["grainy"]),
    ({"name": "again", "data": {"name": "cifar10"}}, ["again"]),
    ({"name": "shifted", "data": {"name": "npz", "path": "cifar10.1.npz"}}, ["shifted"]),
])  # fmt: skip
def test_an_entry_gives_its_sets(make_recipe, entry: Any, labels: list[str]):
    recipe = make_recipe(data={"name": "cifar10", "validation": 0.1, "train_limit": 256})
    assert workload.evaluations(recipe, entry) == labels


def test_a_collection_takes_its_shape_from_the_training_data_and_may_state_it():
    expected = [LabelledSet("far", DataRecipe(name="folder", path="far", size=16, channels=1, classes=4, reading=2))]
    data = {"name": "folder", "path": "far"}
    assert sets_of(OWN, {"name": "far", "data": data}) == expected
    assert sets_of(OWN, {"name": "far", "data": data | {"size": 16, "channels": 1, "classes": 4}}) == expected


@pytest.mark.parametrize("reading", [1, 2])
def test_a_collection_is_read_resized_and_cropped_like_the_training_images(reading: int):
    resized = DataRecipe(name="stl10", resize=64, center_crop=56, subset=["car", "deer"])
    (cifar10,) = sets_of(resized, {"name": "far", "data": {"name": "cifar10", "subset": ["automobile", "deer"]}})
    assert cifar10.source == DataRecipe(name="cifar10", resize=64, center_crop=56, subset=["automobile", "deer"])
    (npz,) = sets_of(resized, {"name": "own", "data": {"name": "npz", "path": "p"}})
    assert npz.source == DataRecipe(name="npz", path="p", size=96, channels=3, classes=2, resize=64, center_crop=56)
    folder = DataRecipe(name="folder", path="f", channels=3, classes=2, resize=64, center_crop=56, reading=reading)
    (other,) = sets_of(folder, {"name": "other", "data": {"name": "folder", "path": "g"}})
    assert other.source == folder.model_copy(update={"path": "g"})


@pytest.mark.parametrize(("entry", "message"), [
    ("nose", r"unknown corruption 'nose': write corruptions, noise, blur, contrast, jpeg, brightness, or one severity"),
    ("", "unknown corruption ''"),
    ("corruptions:3", "unknown corruption 'corruptions'"),
    ("noise:0", "the severity of noise must be 1 to 5 but is '0'"),
    ("noise:6", "must be 1 to 5 but is '6'"),
    ("noise:", "must be 1 to 5 but is ''"),
    ("noise: 3", "must be 1 to 5 but is ' 3'"),
    ("blur:1.0", "the severity of blur must be 1 to 5 but is '1.0'"),
    (3, "expected the name of a corruption or a mapping but got 3"),
    (None, "expected the name of a corruption or a mapping but got None"),
    ({"corruption": "noise", "severity": 3}, "name must be a text, the label in the results, but is None"),
    ({"name": " ", "corruption": "noise", "severity": 3}, "name must be a text"),
    ({"name": 7, "corruption": "noise", "severity": 3}, "name must be a text, the label in the results, but is 7"),
    ({"name": "test", "corruption": "noise", "severity": 3}, "name is 'test', which is the sealed test set itself"),
    ({"name": "x", "corruption": "fog", "severity": 3}, "unknown corruption 'fog': write noise, blur"),
    ({"name": "x", "corruption": ["noise"], "severity": 3}, r"unknown corruption \['noise'\]"),
    ({"name": "x", "corruption": "noise", "severity": True}, "must be 1 to 5 but is True"),
    ({"name": "x", "corruption": "noise", "severity": 2.0}, "must be 1 to 5 but is 2.0"),
    ({"name": "x", "corruption": "noise"}, "x: give name and data, or name, corruption and severity; got name, corr"),
    ({"name": "x"}, "x: give name and data, or name, corruption and severity; got name"),
    ({"name": "x", "data": {"name": "cifar10"}, "severity": 3}, "x: give name and data, or"),
    ({"name": "x", "data": "cifar10"}, "x: data must be a mapping with name, path, .*, resize, center_crop but is 'ci"),
    ({"name": "x", "data": {"name": "cifar10", "validation": 5}}, "x: data must be a mapping with name, path"),
    ({"name": "x", "data": {"name": "imagenet"}}, "x: data.name: Input should be 'digits', 'cifar10'"),
    ({"name": "x", "data": {"name": "npz"}}, "x: data: name is npz but path is missing"),
    ({"name": "x", "data": {"name": "cifar10", "path": "p"}}, "x: data: path is 'p' but name is cifar10"),
    ({"name": "x", "data": {"name": "digits"}}, r"x: data digits has 10 classes and images of 8 pixels a side and 1"),
    ({"name": "x", "data": {"name": "cifar100"}}, "x: data cifar100 has 100 classes .* the network is for 10, 32 and"),
    ({"name": "x", "data": {"name": "npz", "path": "p", "size": 28}}, "x: data npz has 10 classes and images of 28"),
])  # fmt: skip
def test_an_invalid_entry_is_refused_with_the_valid_ones(make_recipe, entry: Any, message: str):
    recipe = make_recipe(data={"name": "cifar10", "validation": 0.1, "train_limit": 256})
    with pytest.raises(ValueError, match=message):
        workload.evaluations(recipe, entry)


def test_a_set_named_twice_is_returned_once():
    labels = [labelled.name for labelled in labelled_sets(CIFAR10, ["noise:3", "noise", "noise:3"])]
    assert labels == ["noise 3", "noise 1", "noise 2", "noise 4", "noise 5"]


def test_two_different_sets_of_one_name_are_refused():
    entries = ["noise:3", {"name": "noise 3", "corruption": "blur", "severity": 3}]
    with pytest.raises(ValueError, match="two different sets are called 'noise 3'"):
        labelled_sets(CIFAR10, entries)
    same = ["noise:3", {"name": "noise 3", "corruption": "noise", "severity": 3}]
    assert labelled_sets(CIFAR10, same) == [LabelledSet("noise 3", Corrupted("noise", 3))]
