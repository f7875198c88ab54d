"""Any study file gives a study or one message. `benchmarks/fuzz.py` tries 100,000 files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweeps.io.errors import UserError
from sweeps.validation.loading import Edits, load_study
from tests.security.fuzzing import FuzzCounts, fuzz, judge, message_fault
from tests.security.mutations import SMALL, real_studies

FILES = 2_000


def test_hostile_study_file_gives_a_study_or_one_message(tmp_path: Path) -> None:
    seen = fuzz(FILES, seed=1, studies=real_studies(), folder=tmp_path)
    assert not seen.broken, "\n\n".join(f"{what}\n--- by\n{content!r}" for content, what in seen.broken[:5])
    assert seen.accepted + seen.refused == FILES
    assert seen.accepted > FILES / 20  # otherwise too few files reach the checks


def test_unmutated_files_are_studies(tmp_path: Path) -> None:
    for text in (SMALL, *real_studies()):
        judge(text.encode(), tmp_path / "study.yaml", seen := FuzzCounts())
        assert seen.accepted == 1, seen


# Regressions: each of these was once a traceback, or took minutes.
FIXED = {
    "a final stage without a metric": "name: x\nquestion: q\nworkload: cifar_sweep\nfinal: {seeds: 2}\n",
    "a path as a workload": SMALL.replace("cifar_sweep", "../.."),
    "a function written in C as a workload": SMALL.replace("cifar_sweep", "math:hypot"),
    "more seeds than a float can count": SMALL + "ablation: {baseline: given, components: [relu], seeds: 2000}\n",
    "a range of too many steps": SMALL.replace("min: 0.001, max: 0.5", "min: 0.0, max: 1e300, q: 1e-300").replace(
        "log_uniform_values", "q_uniform"
    ),
    "an escape sequence as a key": SMALL + '"\\e[2J": 1\n',
    "a condition on forty toggles": SMALL.replace("bayes", "grid")
    + "  epochs: {values: [1, 2], when: {"
    + ", ".join(f"toggle.t{place}: true" for place in range(40))
    + "}}\nmethod: grid\n",
    "thousands of toggles": f"{SMALL}toggles: [{', '.join(f't{place}' for place in range(4_000))}]\n",
    "a chain of conditions": SMALL
    + "  k0: {values: [0, 1]}\n"
    + "".join(f"  k{place}: {{values: [0, 1], when: {{k{place - 1}: 1}}}}\n" for place in range(1, 400)),
    "toggles that are a number": SMALL + "toggles: 8\n",
    "a workload of a long name": SMALL.replace("cifar_sweep", "x" * 9_000),
}


@pytest.mark.parametrize("text", FIXED.values(), ids=FIXED)
def test_fixed_study_files_are_refused_with_a_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    judge(text.encode(), path, seen := FuzzCounts())
    assert (seen.refused, seen.broken) == (1, [])


@pytest.mark.parametrize(
    "message",
    ["", "a\n\nb", "a\x1b[2Jb", "a\u202eb", "x" * 2_001, "a\u2028b", "Traceback (most recent call last)", "same\nsame"],
)
def test_bad_messages_are_recognised(message: str) -> None:
    assert message_fault(message)
    assert not message_fault("s.yaml:3: run_cap: must be at least 0 but got -1\ns.yaml:4: seed: must be an integer")


def test_message_shows_control_characters_as_replacements() -> None:
    assert str(UserError("no \x1b[2J\u202e such")) == "no \ufffd[2J\ufffd such"


def test_command_line_options_with_a_faulty_file_give_its_messages(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SMALL + "toggles: 8\nconstraints: 9\n")
    with pytest.raises(UserError) as caught:
        load_study(tmp_path / "s.yaml", Edits(search=["epochs=2..9"], toggles=["relu"], budget="5M"))
    assert "toggles: must be a list but got 8" in str(caught.value)
    assert "constraints: must be a list but got 9" in str(caught.value)


def test_small_study_loads(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SMALL)
    assert load_study(tmp_path / "s.yaml", Edits())[0].name == "x"
