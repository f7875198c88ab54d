"""`resources: {gpu: auto}`: measured once by the workload, kept, and a number for everything that uses it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute as engine
from sweeps.forecast import plan
from sweeps.prepare.devices.inventory import Accelerator, Devices
from sweeps.prepare.gpu_share import settle_share, share_of
from sweeps.prepare.prepared import PreparedStudy, settle
from sweeps.runners.inline import InlineRunner
from sweeps.storage.results import Results
from sweeps.study.document import from_text
from sweeps.study.problems import StudyError
from sweeps.study.resources import device_share, slots, with_share
from sweeps.study.stages import RunRequest, stages_of
from sweeps.study.study import Study, dump, parse
from sweeps.workload import Run, Sharing, Site, load
from tests.sweeps.support import Events, toy_study

ON_GPU = Site(Path("nowhere"), "cuda")
ONE_GPU = Devices("/dev/nvidia0", "2.15.0", "CUDA 13.2", "cuda", (Accelerator("H200", 140 << 10, "9.0", bf16=True),))
LOG = "asked.txt"


@dataclass(frozen=True)
class Short:
    """A recipe whose trials last `epochs` epochs."""

    epochs: int = 2


def train(recipe: Short, run: Run) -> Iterator[Mapping[str, float]]:
    """A workload that takes any device."""
    for epoch in range(recipe.epochs):
        yield {"val_accuracy": 50.0 + epoch}


def gpu_share(recipe: Short, site: Site, most: int) -> Sharing:
    """Three at the most; each time it is asked leaves a line."""
    if site.data_dir.is_dir():
        with (site.data_dir / LOG).open("a") as log:
            log.write(f"{most}\n")
    return Sharing(min(3, most), [{"copies": 1, "images_per_s": 10.0}], "3 on each GPU; as counted")


def study_of(workload: str = "tests.sweeps.prepare.test_gpu_share", **resources: Any) -> Study:
    settings = {"workload": workload, "baseline": {}, "parameters": {"epochs": {"values": [1, 2]}}, "run_cap": 1}
    return toy_study(**settings, resources={"gpu": "auto", **resources})


@pytest.mark.parametrize("copies", range(1, 65))
def test_so_many_shares_fit_a_gpu_and_no_more(copies: int) -> None:
    share = share_of(copies)
    assert copies * share <= 1 + 1e-12
    assert math.floor(1 / share) == copies
    assert round(share * 10_000) == pytest.approx(share * 10_000)  # what Ray counts in


@pytest.mark.parametrize(
    ("machine", "cpu", "share"),
    [((16, 1), 1.0, 0.3333), ((16, 8), 1.0, 0.5), ((16, 1), 8.0, 0.5), ((2, 4), 1.0, 1.0), ((16, 1), 0.5, 0.3333)],
)
def test_share_is_what_the_workload_finds_within_the_cores(machine: tuple[int, int], cpu: float, share: float) -> None:
    study = study_of(cpu=cpu)
    sharing = settle_share(study, load(study.workload), Short(), ON_GPU, machine, {})
    assert sharing["gpu"] == share
    resolved = with_share(study, {"sharing": sharing})
    assert device_share(resolved, "cuda") == share
    assert slots(resolved, "cuda", machine[0], machine[1], None) == machine[1] * round(1 / share) or share == 1.0


def test_number_that_is_given_and_a_cpu_settle_nothing() -> None:
    study, given = study_of(), study_of(gpu=0.25)
    workload = load(study.workload)
    assert settle_share(given, workload, Short(), ON_GPU, (16, 1), {}) == {}
    assert settle_share(study, workload, Short(), Site(Path(), "cpu"), (16, 0), {}) == {}
    assert with_share(given, {"sharing": {"gpu": 0.5}}) == given
    assert with_share(study, {}).resources.gpu is None
    assert device_share(with_share(study, {}), "cpu") == 1.0


def test_workload_that_cannot_measure_has_each_gpu_for_one_trial() -> None:
    study = study_of("tests.toy")
    sharing = settle_share(study, load("tests.toy"), None, ON_GPU, (16, 1), {})
    assert sharing["gpu"] == 1.0
    assert sharing["note"].endswith("the workload tests.toy has no function gpu_share to measure more with")


def test_auto_is_written_as_it_was_and_other_words_are_refused() -> None:
    study = study_of()
    assert parse(from_text(dump(study), "again.yaml")).resources.gpu == "auto"
    with pytest.raises(StudyError, match=r"resources.gpu: must be a share .* or auto but got 'all'"):
        study_of(gpu="all")


def prepared(folder: Path, previous: Mapping[str, Any], **resources: Any) -> PreparedStudy:
    study = study_of(**resources)
    return settle(study, load(study.workload), folder, previous)


def ran(folder: Path, previous: Mapping[str, Any]) -> Results:
    request = RunRequest(stages_of(study_of()))
    result = engine.run(prepared(folder, previous), folder / "study", InlineRunner, Events(), request, cache=False)
    assert result.complete
    return result.results


def test_study_asks_once_keeps_the_answer_and_reckons_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweeps.prepare.devices.choice.devices", lambda asked: ONE_GPU)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)))
    first = ran(tmp_path, {})
    assert first.study.resources.gpu == "auto"
    assert first.environment["sharing"]["gpu"] == 0.3333
    again = prepared(tmp_path, first.environment)
    assert (tmp_path / LOG).read_text() == "8\n"
    assert again.study.resources.gpu == 0.3333
    assert again.notes == ("resources.gpu: auto is 0.3333: 3 on each GPU; as counted",)
    ran(tmp_path, first.environment)
    assert (tmp_path / LOG).read_text() == "8\n"


def test_plan_says_how_many_share_a_gpu_and_measures_only_with_a_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweeps.prepare.devices.choice.devices", lambda asked: ONE_GPU)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)))
    study = study_of()
    unmeasured = plan(study, load(study.workload), tmp_path, probing=False)
    assert (unmeasured.at_once, (tmp_path / LOG).exists()) == (1, False)
    assert "resources.gpu: auto is 1 trial on each GPU: not measured" in unmeasured.notes
    previous = ran(tmp_path, {})
    measured = plan(study, load(study.workload), tmp_path, probing=False, previous=previous)
    assert measured.at_once == 3
    assert "resources.gpu: auto is 0.3333: 3 on each GPU; as counted" in measured.notes
