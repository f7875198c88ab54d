"""The coarse classes of CIFAR-100."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from cifar_sweep.data.coarse import coarse_groups, coarse_names
from cifar_sweep.data.formats import class_names
from cifar_sweep.recipe import DataRecipe
from cifar_sweep.recipe.datasets import CLASS_NAMES, COARSE_NAMES
from sweeps.workload import Unavailable
from tests.cifar_sweep.artificial_data import make_cifar100

CIFAR100 = DataRecipe(name="cifar100")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return make_cifar100(tmp_path, per_class=1)


def test_the_real_groups_have_the_classes_of_their_names(unpacked: Callable[[str], Path]):
    root = unpacked("cifar100-mini")
    fine, names = class_names(CIFAR100, root), coarse_names(CIFAR100, root)
    groups = dict(zip(names, coarse_groups(CIFAR100, root), strict=True))
    assert fine == CLASS_NAMES["cifar100"]
    assert names == COARSE_NAMES
    assert sorted(label for group in groups.values() for label in group) == list(range(100))
    assert [fine[label] for label in groups["fish"]] == ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
    assert [fine[label] for label in groups["vehicles_2"]] == ["lawn_mower", "rocket", "streetcar", "tank", "tractor"]


def test_groups_of_a_subset_are_in_its_own_labels_and_empty_ones_are_left_out(data_dir: Path):
    subset = DataRecipe(name="cifar100", subset=[60, 3, 23, 40])  # of coarse class 0: 60 and 40; of 3: 3 and 23
    assert coarse_groups(subset, data_dir) == ((0, 3), (1, 2))
    assert coarse_names(subset, data_dir) == (COARSE_NAMES[0], COARSE_NAMES[3])


def test_without_the_meta_file_the_well_known_names_are_used(data_dir: Path):
    (data_dir / "cifar-100-python" / "meta").unlink()
    assert class_names(CIFAR100, data_dir) == CLASS_NAMES["cifar100"]
    assert coarse_names(CIFAR100, data_dir) == COARSE_NAMES


def test_data_without_coarse_classes_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"data\.name is cifar10, which has no coarse classes: only cifar100 has them"):
        coarse_groups(DataRecipe(name="cifar10"), tmp_path)


def test_absent_data_is_reported(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"no .*cifar-100-python/train"):
        coarse_groups(CIFAR100, tmp_path)


def test_a_fine_class_in_two_coarse_ones_is_refused(data_dir: Path):
    file = data_dir / "cifar-100-python" / "train"
    content = pickle.loads(file.read_bytes())
    content["fine_labels"][0] = content["fine_labels"][1]
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="a fine class belongs to more than one coarse class"):
        coarse_groups(CIFAR100, data_dir)


@pytest.mark.parametrize(("content", "message"), [
    ({"fine_label_names": ["one"]}, "data cifar100 names 1 classes but has 100"),
    (b"no pickle", "the names of the classes cannot be read: .*meta is not a whole pickle"),
])  # fmt: skip
def test_a_wrong_meta_file_is_refused(data_dir: Path, content: object, message: str):
    written = content if isinstance(content, bytes) else pickle.dumps(content)
    (data_dir / "cifar-100-python" / "meta").write_bytes(written)
    with pytest.raises(ValueError, match=message):
        class_names(CIFAR100, data_dir)
