"""Every study of the folder, at the smallest scale, on made images of the right size and number of classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.checks import accept
from sweeps.grammar.document import read
from sweeps.launch import Folders, Options, launch
from sweeps.trial import Status
from tests.cifar_sweep.made import make_cifar10, make_cifar100, make_folder, make_stl10
from tests.sweeps.support import ROOT

# Those of one line learn from each other, in this order.
CHAINS = (("r3_lenet_to_convnet", "r3_finetune_stl10"), ("distill_teacher", "distill_to_budget"))
ALONE = sorted({file.stem for file in (ROOT / "studies").glob("*.yaml")} - {name for chain in CHAINS for name in chain})
STUDIES = [
    *(pytest.param(name, marks=pytest.mark.xdist_group(chain[0])) for chain in CHAINS for name in chain),
    *ALONE,
]


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


@pytest.mark.parametrize("name", STUDIES)
def test_study_runs_at_the_smallest_scale(name: str, folders: Folders) -> None:
    study, workload = accept(read(ROOT / "studies" / f"{name}.yaml"))
    launched = launch(study, workload, Options(folders=folders, runner="inline", smoke=True, quiet=True))
    results = launched.finish.results
    assert launched.finish.complete, launched.finish.failure
    ends = {trial.status: trial.reason for trial in results.everything}
    assert set(ends) <= {Status.COMPLETE, Status.REJECTED, Status.DUPLICATE}, ends
    refused = {arm.name: arm.reason for stage in results.stages.values() for arm in stage.arms if arm.reason}
    assert refused == {}
    assert launched.report.exists()


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
