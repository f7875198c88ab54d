"""Every study of the folder, at the smallest scale, on made images of the right size and number of classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision

from sweeps.engine.launch import Folders, Options, launch
from sweeps.forecast import plan
from sweeps.study.document import Document, from_text
from sweeps.trial.trial import Status
from sweeps.validation.checks import accept
from tests.cifar_sweep.artificial_data import make_cifar10, make_cifar100, make_folder, make_stl10
from tests.sweeps.support import ROOT

CHAINS = (("r3_lenet_to_convnet", "r3_finetune_stl10"), ("distill_teacher", "distill_to_budget"))  # the second learns
ALONE = {file.stem for file in (ROOT / "studies").glob("*.yaml")} - {name for chain in CHAINS for name in chain}
STUDIES = [*CHAINS, *((name,) for name in sorted(ALONE))]
SAME_WHEN_SMALL = {"r4_transfer": {"from_scratch"}}  # a smoke run downloads nothing, so its baseline has no weights


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """Folders that all studies share, and data for each of them."""
    root = tmp_path_factory.mktemp("studies")
    data = root / "data"
    data.mkdir()
    make_cifar10(data, per_class=40)
    make_cifar100(data, per_class=6)
    make_stl10(data)
    make_folder(data / "classes200")
    return Folders(runs=root / "runs", reports=root / "reports", data=data)


@pytest.mark.parametrize("names", STUDIES, ids="-".join)
def test_study_runs_at_the_smallest_scale(names: tuple[str, ...], folders: Folders) -> None:
    for name in names:
        runs_small(name, folders)


def document(name: str) -> Document:
    """A study file. Images that were made for a folder may look alike in training and test: that is kept."""
    path = ROOT / "studies" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8").replace("path: classes200", "path: classes200, duplicates: keep")
    return from_text(text, str(path))


def runs_small(name: str, folders: Folders) -> None:
    """Run a study with --smoke: every run that fits is complete, no component is refused, and there is a report."""
    study, workload = accept(document(name))
    launched = launch(study, workload, Options(folders=folders, runner="inline", smoke=True, quiet=True))
    results = launched.results
    assert launched.complete, launched.failure
    ends = {trial.status: trial.reason for trial in results.everything}
    assert set(ends) <= {Status.COMPLETE, Status.REJECTED, Status.DUPLICATE}, ends
    refused = {arm.name for stage in results.stages.values() for arm in stage.arms if arm.reason}
    assert refused == SAME_WHEN_SMALL.get(name, set())
    assert launched.report.exists()


@pytest.fixture(scope="session")
def enough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with as many images as the studies hold out, and more."""
    data = tmp_path_factory.mktemp("enough")
    make_cifar10(data, per_class=600)
    make_cifar100(data, per_class=60)
    make_stl10(data, per_class=150)
    make_folder(data / "classes200", per_class=5)
    return data


@pytest.fixture(scope="session")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in the place of $TORCH_HOME with a ResNet-18 that nobody has trained."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(torchvision.models.resnet18().state_dict(), folder / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    return folder


@pytest.mark.parametrize("name", sorted(name for names in STUDIES for name in names))
def test_study_can_be_planned(name: str, enough: Path, torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    study, workload = accept(document(name))
    planned = plan(study, workload, enough, probing=False)
    assert [stage.name for stage in planned.stages]
    assert all(stage.runs.likely > 0 for stage in planned.stages)
    assert all(arm.applicable for arm in planned.arms), [arm.reason for arm in planned.arms]


def test_every_system_of_the_reports_is_there() -> None:
    expected = {"r0_three_nets", "resnet_budget", "r1_semi_supervised", "r2_architectures", "r2_stems"}
    expected |= {
        "r2_contrastive",
        "r2_hierarchical",
        "r3_lenet_to_convnet",
        "r3_finetune_stl10",
        "r4_custom_resnet",
        "r4_transfer",
    }
    assert expected | {"distill_to_budget"} <= {Path(file).stem for file in (ROOT / "studies").glob("*.yaml")}
