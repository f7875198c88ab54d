"""Commands that can take long say what they are doing: on the terminal, and never on stdout."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.sweeps.support import command, sweep, toy_text
from tests.sweeps.terminal import on_a_terminal


def test_plan_shows_that_it_measures_the_baseline_and_erases_that(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text(baseline={"epochs": 4, "pause": 0.5}))
    seen = on_a_terminal(command("plan", "toy.yaml", "--data-dir", "data"), tmp_path)
    assert re.search(r"measuring two epochs of the baseline … \d+ s", seen)
    assert re.search(r"… \d+ s\s+6 trials: about ", seen)  # the plan follows the last phase
    assert "probe: an epoch of the baseline takes" in seen


def test_json_of_a_plan_is_all_that_stdout_has(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy_text())
    done = sweep("plan", "toy.yaml", "--data-dir", "data", "--no-probe", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["study"] == "toy"
