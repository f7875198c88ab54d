"""Sources may not evaluate text, start a shell, or unpickle data outside the restricted places."""

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
}  # a restricted unpickler; a pipe to our own child process
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "yaml.load", "marshal.loads", "pickle.load", "numpy.load"}


def calls(path: Path) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """Yield each call in a file: the function's source text, and the keyword arguments."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}


def has_constant(keywords: dict[str, ast.expr], name: str, value: object) -> bool:
    """Return whether a keyword argument is this constant."""
    return isinstance(node := keywords.get(name), ast.Constant) and node.value == value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_loading_data_cannot_run_code(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    for function, keywords in calls(path):
        assert function not in FORBIDDEN, function
        if function == "torch.load":
            assert has_constant(keywords, "weights_only", True)
        if function == "np.load":
            assert not has_constant(keywords, "allow_pickle", True)
        if function == "pickle.loads":
            assert name in UNPICKLING
        if function == "YAML":
            assert has_constant(keywords, "typ", "safe")
            assert has_constant(keywords, "pure", True)
        assert not has_constant(keywords, "shell", True), function


def test_sources_have_calls_that_the_rules_apply_to() -> None:
    called = {function for path in SOURCES for function, _ in calls(path)}
    assert {"torch.load", "np.load", "YAML"} <= called
