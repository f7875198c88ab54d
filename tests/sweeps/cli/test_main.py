"""What the command line makes of the ends that a command may come to."""

from __future__ import annotations

import pytest

from sweeps import cli
from sweeps.cli import app


@pytest.mark.parametrize(
    ("code", "end"), [(None, (0, "")), (0, (0, "")), (75, (75, "")), ("no licence\x1b", (1, "no licence\ufffd"))]
)
def test_code_of_an_exit_may_be_a_text(monkeypatch: pytest.MonkeyPatch, code: object, end: tuple[int, str]) -> None:
    def ending() -> None:
        raise SystemExit(code)

    monkeypatch.setattr(app, "app", ending)
    assert cli._run() == end
