"""A test set is known again by its images, whatever a study trains on, and so are parts of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.artifacts.image_identity import FOLDER, identity, opened_before, read_test_images, write_test_images
from sweeps.evidence.findings import Findings
from sweeps.report.sentences import opened
from sweeps.stages.final import Opened
from sweeps.storage.openings import FILE
from sweeps.storage.results import Results
from sweeps.workload import Site
from tests.sweeps import letters
from tests.sweeps.support import Events, run_inline, toy_study

FINAL: dict[str, Any] = {"workload": "tests.sweeps.letters", "parameters": {}, "run_cap": 0, "final": {"seeds": 2}}


def final(folder: Path, name: str, train: str, test: str, events: Events | None = None, **settings: Any) -> Results:
    again = settings.pop("open_again", False)
    study = toy_study(**{**FINAL, "name": name, "baseline": {"train": train, "test": test}, **settings})
    result = run_inline(study, folder, events, open_again=again)
    assert not result.failure
    return result.results


def opened_text(results: Results) -> str:
    return opened(Findings.of(results))


def entries(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / FILE).read_text()))


def exact(folder: Path, test: str) -> np.ndarray:
    return letters.image_hashes(letters.Letters(test=test), Site(folder, "cpu"))["test"].exact


def forget_images(folder: Path) -> None:
    """Make the record of openings what an earlier version wrote."""
    kept = [{name: value for name, value in entry.items() if name != "images"} for entry in entries(folder)]
    (folder / FILE).write_text(json.dumps(kept))


def test_training_on_other_images_does_not_make_it_another_test_set(tmp_path: Path) -> None:
    results = final(tmp_path, "clean", "abcd", "wxyz")
    assert opened_text(results) == "This test set has been opened once, by this study."
    events = Events()
    results = final(tmp_path, "minus_one", "abc", "zyxw", events)
    assert "this test set was opened 1 time before, last by clean at 20" in " ".join(events.notes)
    text = "This test set has been opened twice: once by this study, once by another study; "
    assert opened_text(results).startswith(text)
    assert len({entry["images"] for entry in entries(tmp_path)}) == 1
    assert len({entry["fingerprint"] for entry in entries(tmp_path)}) == 2


def test_part_of_the_images_that_was_opened_before_is_counted(tmp_path: Path) -> None:
    final(tmp_path, "clean", "abcd", "wxyz")
    events = Events()
    results = final(tmp_path, "part", "abcd", "wxklmn", events)
    moment = entries(tmp_path)[0]["at"]
    told = f"2 of its 6 test images were opened before, by clean at {moment}"
    assert told in events.notes
    facts = results.stages["final"].facts
    assert facts["earlier_openings"] == 0
    assert facts["openings_of_parts"] == [{"study": "clean", "at": moment, "shared": 2, "size": 6}]
    assert "2 of its 6 test images were opened before with another test set, by clean at" in opened_text(results)
    assert "openings_of_parts" not in final(tmp_path, "other", "abcd", "123").stages["final"].facts


def test_hashes_that_are_lost_leave_the_number_unknown(tmp_path: Path) -> None:
    final(tmp_path, "clean", "abcd", "wxyz")
    (file,) = (tmp_path / FOLDER).glob("*.npy")
    file.write_bytes(file.read_bytes()[:-3])
    events = Events()
    results = final(tmp_path, "part", "abcd", "wxklmn", events)
    assert any(note.startswith("an unknown number of its 6 test images were opened before") for note in events.notes)
    assert "It is not known how many of its 6 test images were opened before" in opened_text(results)


def test_records_of_before_go_on_counting_by_the_data_and_gain_the_images(tmp_path: Path) -> None:
    final(tmp_path, "old", "abcd", "wxyz")
    forget_images(tmp_path)
    with pytest.raises(Opened, match="1 further run would open it again"):
        final(tmp_path, "old", "abcd", "wxyz", final={"seeds": 3})
    assert final(tmp_path, "same", "abcd", "wxyz").stages["final"].facts["earlier_openings"] == 1
    old, same = entries(tmp_path)
    assert old["images"] == same["images"] == identity(exact(tmp_path, "wxyz"))
    assert final(tmp_path, "third", "ab", "wxyz").stages["final"].facts["earlier_openings"] == 2


def test_second_opening_by_the_same_study_with_other_training_images_needs_consent(tmp_path: Path) -> None:
    final(tmp_path, "clean", "abcd", "wxyz")
    with pytest.raises(Opened, match="2 further runs would open it again"):
        final(tmp_path, "clean", "abce", "wxyz")
    assert len(entries(tmp_path)) == 1
    results = final(tmp_path, "clean", "abce", "wxyz", open_again=True)
    assert len(results.stages["final"].facts["openings"]) == 2


@pytest.mark.parametrize(
    ("own", "other", "shared"), [("wxyz", "wxyz", 4), ("wwx", "wq", 2), ("abc", "xyz", 0), ("abc", "", 0)]
)
def test_images_are_counted_by_their_hashes(tmp_path: Path, own: str, other: str, shared: int) -> None:
    stored = []
    for test in (own, other):
        hashes = exact(tmp_path, test or "q")[: len(test)]
        write_test_images(tmp_path, hashes)
        stored.append(read_test_images(tmp_path, identity(hashes)))
    assert stored[0] is not None
    assert stored[1] is not None
    assert opened_before(stored[0], stored[1]) == shared
