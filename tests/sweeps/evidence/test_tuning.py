"""Arms that were not tuned alike are told beside their figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeps.evidence.caveats import caveats
from sweeps.evidence.procedure.tuning import unequal_tuning
from sweeps.trial.arm import Arm

from .test_evidence import BASE, NO_A, less, results, searched, stage

PARTS = {"components": {"a": {"lr": 0.1}}, "seeds": 6}
RETUNE = {"parameters": ["lr"], "trials": 3}
AGAIN = Arm("baseline (re-tuned)", {"a": 2}, tuned=True)
AGAIN_A = Arm("a (re-tuned)", {"a": 3}, removed=("a",), reference=AGAIN.name, tuned=True)


@pytest.mark.parametrize(
    ("rule", "trials", "words"),
    [
        ({"baseline": "given"}, 4, None),
        ({}, 0, None),
        ({}, 4, "Tuning is unequal: the settings of the ablation's baseline were found by 4 trials of the search, the "
                "other arms take them over (not tuned for them)."),
        ({"design": "alternatives"}, 4, "4 trials of the search, the recipes that replace it take them over"),
        ({"retune": RETUNE}, 4, "Tuning is unequal where they are compared without tuning each again: "),
        ({"design": "path", "components": None}, 4,
         "Tuning is unequal along the path: its start is the baseline (settings as given, not tuned), its end the "
         "incumbent (tuned by 4 trials of the search)."),
    ],
)  # fmt: skip
def test_arms_that_a_search_has_not_tuned_alike_are_told(
    tmp_path: Path, rule: Mapping[str, Any], trials: int, words: str | None
) -> None:
    runs = stage("ablation", (BASE, less(0.0, 0.1)), (NO_A, less(1.0, 1.1)), design="leave_one_out")
    section = {key: value for key, value in {**PARTS, **rule}.items() if value is not None}
    of_search = [searched(number, 90.0) for number in range(trials)]
    study = results(tmp_path, runs, trials=of_search, ablation=section)
    sentences = unequal_tuning(study)
    assert len(sentences) == (words is not None)
    assert words is None or words in sentences[0]
    assert [text for text in caveats(study) if "uning" in text] == sentences


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({AGAIN.name: {"lr": 0.1}, AGAIN_A.name: {"lr": 0.2}}, []),
        (
            {AGAIN.name: {"lr": 0.1}, AGAIN_A.name: {}},
            ["Tuning again was unequal: a was left as before, the other arms were tuned by 3 trials each."],
        ),
        ({AGAIN.name: {}, AGAIN_A.name: {}}, []),
    ],
)  # fmt: skip
def test_arm_that_had_nothing_to_tune_is_told(tmp_path: Path, chosen: Mapping[str, Any], told: list[str]) -> None:
    rows = [(BASE, less(0.0, 0.1)), (NO_A, less(1.0, 1.1)), (AGAIN, less(0.0, 0.2)), (AGAIN_A, less(1.0, 1.2))]
    runs = stage("ablation", *rows, design="leave_one_out", tuned=chosen)
    assert unequal_tuning(results(tmp_path, runs, ablation={**PARTS, "baseline": "given", "retune": RETUNE})) == told
