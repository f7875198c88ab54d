"""A state machine runs, kills, resumes, edits and reports a study in any order; its invariants hold after every step.

A kill is an exception raised in a write. `FAULT_EXAMPLES` sets the number of examples; the default is small, for CI.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event
from sqlalchemy.engine import Engine

from sweeps.engine.launch import Folders, Options, RunResult, launch, write_report
from sweeps.io.errors import UserError
from sweeps.stages.final import Opened
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status, Trial
from sweeps.validation.loading import Edits, load_study
from tests.faults import progress_log
from tests.faults.studies import study_text

EXAMPLES = int(os.environ.get("FAULT_EXAMPLES", "5"))
FORBIDDEN = [
    {"seed": 7},
    {"baseline": {"epochs": 3, "spread": 1.0}},
    {"metric": {"name": "val_accuracy", "goal": "minimize"}},
    {"method": "random"},
    {"parameters": {"lr": {"min": 0.001, "max": 2.0}}},
    {"early_terminate": {"type": "asha", "mode": "stop", "min_iter": 1, "eta": 3}},
]


class Killed(BaseException):
    """Ends the driver in the middle of its work, as a kill would."""


class DieAtWrite:
    """Raises `Killed` before the n-th write: the rename of a file or a commit, and at all later ones."""

    def __init__(self, writes: int) -> None:
        self._left = writes

    def __enter__(self) -> None:
        replace = Path.replace

        def dying(source: Path, target: Path) -> Path:
            self._tick()
            return replace(source, target)

        self._patch = patch.object(Path, "replace", dying)
        self._patch.start()
        event.listen(Engine, "commit", self._tick)

    def __exit__(self, *error: object) -> None:
        self._patch.stop()
        event.remove(Engine, "commit", self._tick)

    def _tick(self, *args: object) -> None:
        self._left -= 1
        if self._left <= 0:  # a dead process does not write later either
            raise Killed


class Studies(RuleBasedStateMachine):
    """A small study of the toy with every stage, which edits enlarge."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="states-"))
        self.requested: dict[str, Any] = {
            "run_cap": 2,
            "baseline": {"epochs": 2, "spread": 1.0},
            "confirm": {"top": 1, "seeds": 2},
            "ablation": {"components": {"handicap": {"handicap": 4.0}}, "seeds": 2},
            "final": {"seeds": 2},
            "budget": {"gpu_hours": 1.0},
        }
        self.finished: dict[tuple[str, int], Trial] = {}
        self.complete = False
        self.kills = 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    # -- rules --------------------------------------------------------------------------------------------------------

    @rule(writes=st.one_of(st.none(), st.integers(1, 120)), open_again=st.booleans())
    def run(self, writes: int | None, open_again: bool) -> None:
        """Run or resume the study, to its end or to a kill at one of the next `writes`."""
        try:
            with DieAtWrite(writes) if writes else nullcontext():
                self._run_to_the_end(open_again=open_again)
        except Killed:
            self.kills += 1
            self.complete = False

    @rule(what=st.sampled_from(["run_cap", "component", "seed", "final", "budget"]))
    def edit(self, what: str) -> None:
        rule, components = self.requested["ablation"], self.requested["ablation"]["components"]
        if what == "run_cap" and self.requested["run_cap"] < 5:
            self.requested |= {"run_cap": self.requested["run_cap"] + 1}
        if what == "component" and len(components) < 3:
            added = {f"null{len(components)}": {"unused": len(components)}}
            self.requested |= {"ablation": {**rule, "components": {**components, **added}}}
        if what == "seed" and rule["seeds"] < 4:
            self.requested |= {"ablation": {**rule, "seeds": rule["seeds"] + 1}}
        if what == "final":
            self.requested |= {"final": {"seeds": self.requested["final"]["seeds"] + 1}}
        if what == "budget":
            self.requested |= {"budget": {"gpu_hours": self.requested["budget"]["gpu_hours"] + 1.0}}
        self.complete = False

    @precondition(lambda self: self._exists())
    @rule(change=st.sampled_from(FORBIDDEN))
    def forbidden_edit(self, change: dict[str, Any]) -> None:
        before = self._files()
        with pytest.raises(UserError, match="has changed since it began"):
            self._launch({**self.requested, **change})
        assert self._files() == before

    @precondition(lambda self: self._exists())
    @rule()
    def report(self) -> None:
        page = write_report(self._results(), self.folder / "reports")
        assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")

    # -- invariants ---------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_or_repeated(self) -> None:
        if not self._exists():
            return
        results, lines = self._results(), progress_log.read(self.folder / "data")
        self._check_finished(results)
        self._check_epochs(results, Counter(line.made for line in lines if line.epoch))
        opened = [run for opening in self._openings() for run in opening["runs"]]
        assert all(line.epoch or line.number in opened for line in lines)
        if self.complete:
            self._check_complete(results)

    def _check_finished(self, results: Results) -> None:
        """Finished trials never change."""
        trials = {(trial.stage, trial.number): trial for trial in results.everything}
        for key, trial in self.finished.items():
            assert trials.get(key) == trial
        self.finished = {key: trial for key, trial in trials.items() if trial.status is not Status.RUNNING}

    def _check_epochs(self, results: Results, made: Counter[tuple[tuple[str, int], int, str]]) -> None:
        """All logged epochs are recorded, except the last of an interrupted trial; a kill repeats at most one epoch."""
        assert made.total() - len(made) <= self.kills
        for trial in results.everything:
            logged = {epoch for key, epoch, _ in made if key == (trial.stage, trial.number)}
            recorded = {int(row["epoch"]) for row in results.rows(trial.number, trial.stage)}
            assert recorded <= logged
            assert len(logged - recorded) <= (trial.status is Status.RUNNING)

    def _check_complete(self, results: Results) -> None:
        """A complete study has exactly the requested trials and runs."""
        assert results.counted == self.requested["run_cap"]
        rule, stages = self.requested["ablation"], results.stages
        arms = [arm for arm in stages["ablation"].arms if arm.applicable]
        assert len(arms) == 1 + len(rule["components"])
        expected = {"ablation": rule["seeds"], "final": self.requested["final"]["seeds"], "confirm": 2}
        for name, seeds in expected.items():
            for arm in stages[name].arms:
                runs = stages[name].replicates(arm)
                assert sorted(runs) == list(range(seeds))
                assert {run.status for run in runs.values()} == {Status.COMPLETE}

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _run_to_the_end(self, *, open_again: bool = False) -> None:
        """Run the requested study. The test set is opened once, and again only with `open_again`."""
        before = len(self._openings())
        try:
            launched = self._launch(self.requested, open_again=open_again)
            failure = launched.failure
        except Opened as error:
            failure = str(error)
        finally:
            assert len(self._openings()) - before <= (open_again or not before)
        assert not failure or (before and not open_again and "use --open-again" in failure), failure
        self.complete = not failure
        assert self._openings()

    def _openings(self) -> list[dict[str, Any]]:
        file = self.folder / "runs" / ".openings.json"
        return list(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else []

    def _launch(self, settings: dict[str, Any], *, open_again: bool = False) -> RunResult:
        file = self.folder / "study.yaml"
        file.write_text(study_text(**{name: value for name, value in settings.items() if value is not None}))
        study, workload = load_study(file, Edits())
        folders = Folders(self.folder / "runs", self.folder / "reports", self.folder / "data")
        options = Options(folders, runner="inline", quiet=True, open_again=open_again)
        with patch("sweeps.engine.launch.write_report", lambda results, reports: reports):  # `report` is its own rule
            return launch(study, workload, options)

    def _exists(self) -> bool:
        return (self.folder / "runs" / "crash" / "study.yaml").exists()

    def _results(self) -> Results:
        return open_results(self.folder / "runs", "crash")

    def _files(self) -> dict[Path, bytes]:
        """Return the files that a refused request may not change: all but those of the database and the lock."""
        study = self.folder / "runs" / "crash"
        files = [path for path in study.rglob("*") if path.is_file() and not path.name.startswith(("study.db", "lock"))]
        return {path: path.read_bytes() for path in files}


TestStudies = Studies.TestCase
TestStudies.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
