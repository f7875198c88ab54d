"""A study's files have the permissions that the user's umask gives to new files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sweeps.support import run_inline, toy_study


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask of this process for a while."""
    former = os.umask(mask)
    try:
        yield
    finally:
        os.umask(former)


@pytest.mark.parametrize(("mask", "expected"), [(0o002, "0o664"), (0o027, "0o640"), (0o077, "0o600")])
def test_files_of_a_study_follow_the_umask(mask: int, expected: str, tmp_path: Path) -> None:
    with umask(mask):
        run_inline(toy_study(run_cap=1), tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"study.db", "study.yaml", "environment.json", "record.json", "curves.csv"} <= {path.name for path in files}
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == {path.name: expected for path in files}
