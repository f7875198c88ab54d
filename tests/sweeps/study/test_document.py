from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.study.document import TOP_LEVEL, Document, edit, from_text, read, write
from sweeps.study.study import Study, StudyError, parse

TEXT = """\
name: x
baseline:
  model: {widths: [8, 16], name: net}
  epochs: 3
parameters:
  optimizer.lr: {min: 1e-4, max: 0.1}
constraints:
  - parameters <= 5M
  - macs <= 1G
"""


def report(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        from_text(text, "s.yaml")
    return str(caught.value)


def test_values_are_yaml_1_2() -> None:
    data = from_text("a: 1e-4\nb: no\nc: 5_000\nd: 2020-01-01\ne: ~\nf: 0x10\ng: [true, 1.5]\n", "s.yaml").data
    assert data == {"a": 1e-4, "b": "no", "c": 5000, "d": "2020-01-01", "e": None, "f": 16, "g": [True, 1.5]}


def test_json_escapes_of_one_character_are_one_character() -> None:
    text = "n = 3, \U0001d6fc = 0.05 \U0001f600"
    assert from_text(json.dumps({"question": text, text: 1}), "s.json").data == {"question": text, text: 1}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 1),
        (("baseline", "model", "widths", 1), 3),
        (("baseline", "epochs"), 4),
        (("parameters", "optimizer.lr", "max"), 6),
        (("constraints", 1), 9),
        (("baseline", "missing"), 2),
        (("missing",), 1),
    ],
)
def test_place_is_the_line_of_the_key_or_of_its_section(path: tuple[str | int, ...], line: int) -> None:
    assert from_text(TEXT, "s.yaml").place(path) == f"s.yaml:{line}"


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{key}: &{key} [{','.join([f'*{before}'] * 9)}]\n" for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "has more than 5,000 values, aliases expanded"),
        ("a: " + "[" * 60 + "]" * 60, "s.yaml:1: is nested deeper than 50 levels"),
        ("[" * 100_000, "s.yaml:1: is nested deeper than 50 levels"),
        ("a: &a [*a]", "is nested deeper than 50 levels"),
        ("a:\n" + "".join("- x\n" for _ in range(5_001)), "has more than 5,000 values"),
        ("x: 1\na: " + "9" * 19, "s.yaml:2: a: integers have at most 18 digits"),
        ("a: " + "9" * 5000, "a: integers have at most 18 digits"),
        ("a: 0x" + "f" * 20, "a: integers have at most 18 digits"),
        ("x: 1\na: !!python/object/apply:os.system [ls]", "s.yaml:2: tags are not read"),
        ("a: !!int '3'", "tags are not read"),
        ("a: 1\nb: 2\na: 3", "s.yaml:3: a: duplicate key; it was first written at s.yaml:1"),
        ("m:\n  k: 1\n  k: 2", "s.yaml:3: m.k: duplicate key; it was first written at s.yaml:2"),
        ("a: [1, .nan]", "s.yaml:1: a.1: must be a finite number but got .nan"),
        ("a: -.inf", "must be a finite number"),
        ("a: 1e999", "must be a finite number"),
        ("1: x", "keys must be text; quote it: '1'"),
        ("true: x", "keys must be text"),
        ("? [a]\n: b", "keys must be text"),
        ("b: &b {x: 1}\na:\n  <<: *b", "s.yaml:3: a: merge keys (<<) are not read"),
        ('a: "\\ud800"', "s.yaml:1: a: has the control character U+D800, which is not read"),
        ('a: ["\\e[2J"]', "s.yaml:1: a.0: has the control character U+001B"),
        ('"\\u202Ea": 1', "has the control character U+202E"),
        ('a: "\\r"', "has the control character U+000D"),
        ("a: [1", "is not YAML"),
        ("a: b: c", "s.yaml:1: is not YAML"),
        ("x: 1\n@", "s.yaml:2: is not YAML"),
        ("a: *nowhere", "is not YAML"),
        ("a: 1\n---\nb: 2", "s.yaml:2: begins a second document (---); a study file is one"),
        ("a:\n\tb: 1", "s.yaml:2: is not YAML: found character '\\t' that cannot start any token; indent with blanks"),
        ('a: "\\ude00\\ud83d"', "a: has the control character U+DE00, which is not read"),
        ("a: \x07", "is not YAML"),
        ("", "is empty"),
        ("# only a comment", "must be a mapping"),
        ("- a\n- b", "must be a mapping of settings (name: …), not a list"),
        ("hello", "not a text"),
        ("x: " + "a" * (1 << 20), "is larger than 1 MiB"),
    ],
)
def test_hostile_or_broken_text_is_one_clear_mistake(text: str, expected: str) -> None:
    assert expected in report(text)


def test_alias_bomb_is_small() -> None:
    assert len(BOMB) < 400


def test_an_anchor_may_be_given_again_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_text("a: &a 1\nb: &a 2\nc: *a\n", "s.yaml").data == {"a": 1, "b": 2, "c": 2}


def test_a_report_of_thousands_of_mistakes_or_of_long_values_can_be_read() -> None:
    lines = report("a: [" + ".nan, " * 4_000 + "1]").splitlines()
    assert len(lines) == 101
    assert lines[-1] == "… and 3,900 more"
    assert max(map(len, report(f"{'k' * 9_000}: .nan").splitlines())) < 1_500
    assert max(map(len, report(f"a: 1{'0' * 9_000}.0e99999").splitlines())) < 1_500


def test_aliases_are_expanded() -> None:
    document = from_text("a: &a [1, 2]\nb: *a\n", "s.yaml")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.place(("b",)) == "s.yaml:2"


def test_all_duplicates_and_bad_numbers_come_in_one_report() -> None:
    assert len(report("a: 1\na: 2\nb: .nan\nc: .inf\n").splitlines()) == 3


def test_a_file_is_read_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")  # with a byte-order mark
    document = read(path)
    assert document.data == {"name": "x"}
    assert document.place(("name",)) == f"{path}:1"


def test_unreadable_files_are_study_errors(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.yaml", tmp_path / "large.yaml"
    binary.write_bytes(b"a: 1\nb: \xff\xfe\n")
    large.write_text("é" * (1 << 20), encoding="utf-8")
    cases = {
        tmp_path / "none.yaml": "no such file",
        tmp_path: "is a folder",
        binary: f"{binary}:2: is not UTF-8 text (byte 0xff)",
        large: "is larger than 1 MiB",
        binary / "below": "cannot be read",
        Path("nul\0l"): "cannot be read",
        Path("x" * 5000): "cannot be read",
    }
    for path, expected in cases.items():
        with pytest.raises(StudyError) as caught:
            read(path)
        assert expected in str(caught.value)
        assert len(caught.value.mistakes) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_forbidden_file_is_a_study_error(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("a: 1")
    path.chmod(0)
    with pytest.raises(StudyError, match="Permission denied"):
        read(path)


def edited(*assignments: str) -> Document:
    return edit(from_text(TEXT, "s.yaml"), assignments)


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("run_cap=8", ("run_cap",), 8),
        ("baseline.epochs=4", ("baseline", "epochs"), 4),
        ("epochs=4", ("baseline", "epochs"), 4),
        ("model.widths=[16, 32]", ("baseline", "model", "widths"), [16, 32]),
        ("optimizer.lr=1e-3", ("baseline", "optimizer", "lr"), 1e-3),
        ("parameters.optimizer.lr.min=1e-3", ("parameters", "optimizer.lr", "min"), 1e-3),
        ("parameters.batch={values: [1, 2]}", ("parameters", "batch", "values"), [1, 2]),
        ("confirm.top=3", ("confirm", "top"), 3),
        ("constraints=[macs <= 1M]", ("constraints",), ["macs <= 1M"]),
        ("model.name=a=b", ("baseline", "model", "name"), "a=b"),
        ("early_terminate=", ("early_terminate",), None),
    ],
)
def test_set_puts_a_yaml_value_at_a_study_key_or_in_the_baseline(
    assignment: str, path: tuple[str, ...], value: object
) -> None:
    document = edited(assignment)
    node = document.data
    for part in path[:-1]:
        node = node[part]
    assert node[path[-1]] == value
    assert document.place(path) == f"--set {assignment.partition('=')[0]}"
    assert document.place(("name",)) == "s.yaml:1"


def test_set_leaves_the_original_alone() -> None:
    original = from_text(TEXT, "s.yaml")
    edit(original, ["epochs=9", "model.widths=[1]"])
    assert original.data == from_text(TEXT, "s.yaml").data


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("run_cap", "--set run_cap: write KEY=VALUE"),
        ("=3", "--set : a key is words joined by single dots"),
        ("a..b=3", "single dots"),
        ("epochs.x=3", "baseline.epochs is a number, not a section"),
        ("constraints.0=3", "constraints is a list, not a section"),
        ("epochs=[1", "--set epochs: is not YAML"),
        ("epochs=" + "9" * 30, "at most 18 digits"),
        ("epochs=!!python/none x", "tags are not read"),
        ("epochs=" + "[" * 99, "nested deeper"),
    ],
)
def test_mistakes_of_set_name_the_option(assignment: str, expected: str) -> None:
    with pytest.raises(StudyError) as caught:
        edited(assignment)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("--set")


def test_all_mistakes_of_set_come_together() -> None:
    with pytest.raises(StudyError) as caught:
        edited("run_cap", "epochs=[1", "name=y")
    assert len(caught.value.mistakes) == 2


def test_the_keys_of_a_study_file_are_those_of_the_study() -> None:
    assert set(TOP_LEVEL) == set(Study.model_fields)


READABLE = st.characters(
    exclude_categories=("Cs", "Cc", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
) | st.sampled_from("\t\n")
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(READABLE, max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(READABLE, max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(READABLE, max_size=8), plain, min_size=1, max_size=4))
def test_written_data_reads_back_equal(data: dict[str, object]) -> None:
    back = from_text(write(data), "s.yaml").data
    assert repr(back) == repr(data)


pieces = st.sampled_from(
    ["name: x", "question: q", "workload: w", "\n", "\n  ", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!",
     "<<", "%YAML 1.1", "%TAG ! x", "---", "...", "|", ">", "'", '"', "\\u", "\\U00110000", "\\x", "? ", "1e5", ".nan",
     "parameters", "values", "min", "max", "when", "baseline", "ablation", "metric", "#", "\t", "~", "é", "=", "0b1",
     "1:30", "2001-1-1", "null", "yes", ",", "9" * 25, "@", "`", "\x85", "\ufeff", "\x00", "\U0001f600"]
)  # fmt: skip
texts = st.lists(pieces | st.text(max_size=5), max_size=25).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_any_text_gives_a_study_or_a_study_error(text: str) -> None:
    with suppress(StudyError):
        assert isinstance(parse(from_text(text, "s.yaml")), Study)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=3))
def test_any_words_of_set_give_a_document_or_a_study_error(words: list[str]) -> None:
    with suppress(StudyError):
        assert isinstance(edited(*words), Document)
