"""The exit codes of a study: the same failure has the same code at each start, and the answer says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

import sweeps
from sweeps.cli.exit import FAILED, carry_out, show_best
from sweeps.storage.runs import open_snapshot
from tests.sweeps.support import TOY

ONE_EPOCH = {"epochs": 1}
BROKEN = {"baseline": "given", "components": {"broken": {"fault": "raise", "fault_epoch": 1}}, "seeds": 2}
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "aborted": (
        {"baseline": {**ONE_EPOCH, "fault": "raise", "fault_epoch": 1}, "confirm": {"top": 1, "seeds": 2}},
        "Aborted in the search after 0 of 6 trials (and ",
        "3 trials in a row failed, the last one with: RuntimeError: ",
    ),
    "nothing to confirm": (
        {"baseline": {**ONE_EPOCH, "fault": "nan", "fault_epoch": 1}, "confirm": {"top": 1, "seeds": 2}},
        "Aborted before the first run of the stage confirm: ",
        "toy: no trial of the search has completed, so there is no best recipe to go on with; ",
    ),
    "missing runs": (
        {"baseline": ONE_EPOCH, "parameters": {}, "run_cap": 0, "ablation": BROKEN},
        "Incomplete: the stage ablation lacks 2 of 4 runs, which failed ",
        "the stage ablation lacks 2 of 4 runs, which failed ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_same_failure_has_the_same_exit_code_and_answer_at_each_start(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, answer, error = CASES[case]
    study = sweeps.Study.from_dict({**TOY, **settings})
    folders: dict[str, Any] = {
        name: tmp_path / name.partition("_")[0] for name in ("runs_dir", "reports_dir", "data_dir")
    }
    for _ in range(2):
        with pytest.raises(typer.Exit) as ended:
            carry_out(study, False, **folders, runner="inline", quiet=True)
        printed = capsys.readouterr()
        assert ended.value.exit_code == FAILED
        assert printed.out.splitlines()[1].startswith(answer)  # after what there is to say of the runs
        assert f"error: {error}" in printed.err
        assert answer.partition("(")[0].strip() in (tmp_path / "reports" / "toy" / "README.md").read_text()
    show_best(open_snapshot(tmp_path / "runs", "toy"))
    assert capsys.readouterr().out.splitlines()[1].startswith(answer)
