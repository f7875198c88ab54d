"""Comparisons and effects that may be looked at after every pair, from recorded runs."""

from __future__ import annotations

from pathlib import Path

from sweeps.evidence import ablation
from sweeps.report.tables.ablation import effects_table
from sweeps.trial.arm import Arm

from .test_evidence import BASE, NO_A, NO_B, results, stage

RULE = {"components": {"a": {"lr": 0.1}}, "seeds": {"min": 4, "max": 8, "anytime": True}, "margin": 0.5}
NEITHER = Arm("a, b", {"a": 0, "b": 0}, removed=("a", "b"), reference="baseline")


def test_equal_effects_have_the_p_of_the_first_look_and_no_sign_flip_test(tmp_path: Path) -> None:
    rows = [(arm, [value] * 6) for arm, value in ((BASE, 90.0), (NO_A, 89.75), (NO_B, 90.0), (NEITHER, 89.75))]
    plain = results(tmp_path, stage("ablation", *rows, design="factorial", anytime=[4, 8]), ablation=RULE)
    evidence = ablation(plain)
    assert evidence is not None
    assert [one.equivalence and one.equivalence.p for one in evidence.effects] == [1 / 2**4] * 3
    assert [(one.sign_flip_p, one.sign_flip_holm) for one in evidence.effects] == [(None, None)] * 3
    assert list(effects_table(evidence.effects)["Holm sign-flip p"]) == [None] * 3


def test_comparisons_have_no_sign_flip_test_under_looking(tmp_path: Path) -> None:
    rows = [(BASE, [90.0, 91.0, 92.0, 90.5]), (NO_A, [89.0, 90.2, 91.1, 89.4])]
    evidence = ablation(results(tmp_path, stage("ablation", *rows, design="leave_one_out", anytime=[4, 8])))
    assert evidence is not None
    assert [one.sign_flip_holm for one in evidence.comparisons] == [None]
