"""Tests of sweeps.prepare.environment."""

from __future__ import annotations

import shlex
import sys

import pytest

from sweeps.prepare.environment import describe


def test_command_of_the_provenance_can_be_pasted_into_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run", "my study.yaml", "--set", "model={widths: [8, 16]}", "--budget", "macs <= 2M", "--quiet"]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/sweep", *words])
    assert shlex.split(describe()["command"]) == ["sweep", *words]
