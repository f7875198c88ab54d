"""`--repeat` trains a run again with its own seed; the repeats are in no other figure and the cache answers none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sweeps
from sweeps.evidence import confirmation
from sweeps.evidence.caveats import caveats
from sweeps.evidence.findings import Findings
from sweeps.evidence.procedure.same_seed import same_seed
from sweeps.report.tables.catalogue import provenance
from sweeps.workload import Run
from tests.sweeps.support import Events, run_inline, toy_study

from .test_fresh_runs import SEARCHED


@dataclass(frozen=True)
class Recipe:
    """The recipe of a workload whose runs differ although their seeds are the same, as on a GPU."""

    x: float = 0.5
    epochs: int = 1


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Yield one hundredth more with each run; fail where the file `bad` exists."""
    if run.folder.parent.name == "repeats" and (run.data_dir / "bad").exists():
        raise OSError("disk went away")
    with (run.data_dir / "runs.txt").open("a") as file:
        file.write("run\n")
    yield {"val_accuracy": 50 + run.seed % 7 + len((run.data_dir / "runs.txt").read_text()) / 400}


RESTLESS: dict[str, Any] = {
    "workload": "tests.sweeps.stages.test_same_seed",
    "parameters": {},
    "baseline": {},
    "run_cap": 0,
    "ablation": {"baseline": "given", "components": {"x": {"x": 0.1}}, "seeds": 2},
}


def test_repeats_on_a_cpu_are_equal_and_in_no_other_figure(tmp_path: Path) -> None:
    study = toy_study(**SEARCHED)
    before = run_inline(study, tmp_path, cache=True).results
    events = Events()
    result = run_inline(study, tmp_path, events, cache=True, repeat=2)
    results = result.results
    assert result.complete
    source = before.stages["incumbent"].trials[0]
    repeats = results.stages["repeats"].trials
    assert [trial.stage for trial in events.ended] == ["repeats"] * 2
    assert [(trial.seed, trial.value, trial.source, trial.key) for trial in repeats] == [
        (source.seed, source.value, "", "")
    ] * 2
    assert confirmation(results) == confirmation(before)
    spread = same_seed(results)
    assert spread is not None
    assert (spread.sd, spread.largest, spread.identical, spread.source) == (0, 0, True, "incumbent/0")
    assert caveats(results) == [
        f"The seed fixes a run here: 3 runs of {source.variant} with the same seed have the same validation accuracy "
        "in every epoch."
    ]
    rows = provenance(Findings.of(results)).frame.set_index("what").value
    assert rows["spread of one seed"] == (
        f"0 over 3 runs of {source.variant} with the seed of incumbent/0, the same in every epoch"
    )
    again = Events()
    assert run_inline(study, tmp_path, again, repeat=2).complete
    assert run_inline(study, tmp_path, again).complete
    assert not again.ended
    assert run_inline(study, tmp_path, again, repeat=3).complete
    assert [(trial.stage, trial.replicate, trial.seed) for trial in again.ended] == [("repeats", 2, source.seed)]


def test_best_trial_of_a_search_alone_is_repeated(tmp_path: Path) -> None:
    result = run_inline(toy_study(run_cap=2), tmp_path, repeat=2)
    assert result.complete
    best = result.results.ranked()[0]
    assert [trial.value for trial in result.results.stages["repeats"].trials] == [best.value] * 2


def test_spread_of_one_seed_is_told_beside_that_of_the_seeds(tmp_path: Path) -> None:
    study = toy_study(**RESTLESS)
    (tmp_path / "data").mkdir()
    bad = tmp_path / "data" / "bad"
    bad.touch()
    assert run_inline(study, tmp_path, repeat=2).missing == (
        "no run of the stage repeats has finished (baseline, repeat 1: OSError: disk went away; "
        "baseline, repeat 2: OSError: disk went away)",
    )
    bad.unlink()
    result = run_inline(study, tmp_path, repeat=2)
    assert result.complete
    spread = same_seed(result.results)
    assert spread is not None
    assert spread.source == "ablation/0"
    assert spread.values == pytest.approx((spread.values[0], spread.values[0] + 0.04, spread.values[0] + 0.05))
    assert any(
        sentence.startswith(
            "One seed does not fix a run here: over 3 runs of baseline with the same seed validation accuracy has a "
            "standard deviation of 0.026 (largest difference 0.050), over 2 seeds one of "
        )
        for sentence in caveats(result.results)
    )


def test_without_a_run_there_is_nothing_to_repeat(tmp_path: Path) -> None:
    study = toy_study(parameters={}, run_cap=0, baseline={"fault": "raise", "fault_epoch": 1}, final={"seeds": 2})
    assert "there is none to repeat" in run_inline(study, tmp_path, repeat=2).failure
    with pytest.raises(ValueError, match="repeat must be 0 or more but is -1"):
        sweeps.run(study.written(), runs_dir=tmp_path / "none", repeat=-1)
