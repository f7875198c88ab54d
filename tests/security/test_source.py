"""What the sources may not do: load what can run code, evaluate text, or open a port."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.mutations import ROOT

SOURCES = [path for package in ("sweeps", "cifar_sweep") for path in sorted((ROOT / package).rglob("*.py"))]
UNPICKLING = {
    "cifar_sweep/data/pickles.py",
    "sweeps/runners/probe.py",
}  # the restricted one; a pipe to a child of our own
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "yaml.load", "marshal.loads", "pickle.load", "numpy.load"}


def calls(path: Path) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """The functions that a file calls, as they are written there, with their keyword arguments."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: word.value for word in node.keywords if word.arg}


def says(words: dict[str, ast.expr], name: str, value: object) -> bool:
    return name in words and isinstance(found := words[name], ast.Constant) and found.value == value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_is_loaded_can_run_code(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for function, words in calls(path):
        assert function not in FORBIDDEN, function
        if function == "torch.load":
            assert says(words, "weights_only", True)
        if function == "np.load":
            assert not says(words, "allow_pickle", True)
        if function == "pickle.loads":
            assert name in UNPICKLING
        if function == "YAML":
            assert says(words, "typ", "safe")
            assert says(words, "pure", True)
        assert not says(words, "shell", True), function


def test_the_rules_meet_what_they_are_for() -> None:
    found = {function for path in SOURCES for function, _ in calls(path)}
    assert {"torch.load", "np.load", "YAML"} <= found
