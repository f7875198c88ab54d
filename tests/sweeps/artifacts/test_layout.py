"""The rule of a name: strict in a study file, lenient for existing folders, and never a path to another folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.artifacts.layout import STUDY_NAME_LENGTH, is_name, is_study_name
from sweeps.artifacts.references import Reference, is_reference
from sweeps.prepare.smoke import smoke_name
from sweeps.storage.runs import NotFound, study_folder

LONGEST = "x" * STUDY_NAME_LENGTH
FOLDERS = ["r7", "a.b-c_d", "0", LONGEST, f"{LONGEST}.1", f"{LONGEST}.12-smoke", "x" * 255]
WRONG = ["", ".", "..", ".x", "-x", "_x", "a/b", "a\\b", "a b", "ä", "a\n", "x" * 256]


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_of_a_study_is_found_however_it_was_renamed(tmp_path: Path, name: str) -> None:
    assert is_name(name)
    assert study_folder(tmp_path, name) == tmp_path / name
    assert Reference.parse(f"{name}:final/3") == Reference(name, 3, "final")
    assert is_study_name(name) == (len(name) <= STUDY_NAME_LENGTH)


@pytest.mark.parametrize("name", WRONG)
def test_name_that_may_lead_elsewhere_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    assert not is_name(name)
    assert not is_study_name(name)
    assert not is_reference(f"{name}:3")
    with pytest.raises(NotFound, match="is not a study's name"):
        study_folder(tmp_path, name)


@pytest.mark.parametrize("name", ["r7", LONGEST])
def test_smoke_run_has_a_name_that_a_study_file_may_have(name: str) -> None:
    assert is_study_name(smoke_name(name))
