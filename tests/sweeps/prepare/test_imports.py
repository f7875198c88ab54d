"""Which modules count as a workload's code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from sweeps.prepare.imports import CODE_IDENTITY, user_modules

Write = Callable[[dict[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files into a folder from which modules are imported; their modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def written(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)

    yield written
    for name in set(sys.modules) - before:
        del sys.modules[name]


def places(*names: str) -> list[str]:
    return [source.place for source in user_modules(names)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import user_net", ["user_net.py"]),
        ("def train():\n    from user_net import Net", ["user_net.py"]),
        ("try:\n    import user_net as n\nexcept ImportError:\n    n = None", ["user_net.py"]),
        ("import user_pack.deep.net", ["user_pack/__init__.py", "user_pack/deep/__init__.py", "user_pack/deep/net.py"]),
        ("from user_pack import deep", ["user_pack/__init__.py", "user_pack/deep/__init__.py"]),
        ("from user_space.part import x", ["user_space/part.py"]),
        ("import importlib\nimportlib.import_module('user_net')", ["user_net.py"]),
        ("__import__('user_net')", ["user_net.py"]),
        (
            "from importlib import import_module\ndef net(n):\n    return import_module(f'user_pack.deep.{n}')",
            ["user_pack/__init__.py", "user_pack/deep/__init__.py", "user_pack/deep/net.py", "user_pack/deep/other.py"],
        ),
        ("import json, torch, sweeps.workload, user_missing", []),
    ],
)
def test_every_form_of_import_is_followed(write: Write, text: str, expected: list[str]) -> None:
    write(
        {
            "user_solo.py": text,
            "user_net.py": "class Net: ...",
            "user_unrelated.py": "",
            "user_pack/__init__.py": "",
            "user_pack/deep/__init__.py": "",
            "user_pack/deep/net.py": "",
            "user_pack/deep/other.py": "",
            "user_space/part.py": "x = 1",
        }
    )
    assert places("user_solo") == sorted([*expected, "user_solo.py"])


def test_imports_are_followed_through_modules_and_circles(write: Write) -> None:
    write(
        {
            "user_pack/__init__.py": "",
            "user_pack/jobs/__init__.py": "",
            "user_pack/jobs/train.py": "from .. import net\nfrom . import steps",
            "user_pack/jobs/steps.py": "",
            "user_pack/net.py": "from .jobs import train\nimport user_layers",
            "user_layers.py": "",
            "user_pack/plots.py": "",
        }
    )
    files = ["__init__.py", "jobs/__init__.py", "jobs/steps.py", "jobs/train.py", "net.py"]
    assert places("user_pack.jobs.train") == ["user_layers.py", *(f"user_pack/{name}" for name in files)]


def test_module_that_a_computed_name_has_loaded_counts(write: Write) -> None:
    hidden = "exec('im' + 'port user_net')\nexec('from user_made import make')"
    write({"user_solo.py": hidden, "user_net.py": "", "user_made.py": "def make(): ..."})
    import_module("user_solo")
    assert places("user_solo") == ["user_made.py", "user_net.py", "user_solo.py"]


def test_what_others_have_loaded_does_not_count(write: Write) -> None:
    write({"user_pack/__init__.py": "", "user_pack/train.py": "import user_pack", "user_pack/plots.py": ""})
    before = places("user_pack.train")
    import_module("user_pack.train")
    import_module("user_pack.plots")  # becomes an attribute of the package
    assert places("user_pack.train") == before == ["user_pack/__init__.py", "user_pack/train.py"]


def test_installed_package_counts_only_where_it_declares_its_code(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = "site-packages/user_library"
    write({"user_solo.py": "import user_library.steps", f"{library}/__init__.py": "", f"{library}/steps.py": ""})
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    assert places("user_solo") == ["user_solo.py"]
    write({f"{library}/{CODE_IDENTITY}": "{}"})
    assert places("user_solo") == ["user_library/__init__.py", "user_library/steps.py", "user_solo.py"]


@pytest.mark.parametrize("content", ["def (", "\0", "(" * 5000])
def test_file_that_is_no_python_counts_without_its_imports(write: Write, content: str) -> None:
    write({"user_solo.py": "def later():\n    import user_broken", "user_broken.py": content})
    assert places("user_solo") == ["user_broken.py", "user_solo.py"]
