"""The hash of a workload's code, and the declaration that code computes the figures of an earlier one."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sweeps.prepare.environment import CODE_IDENTITY, code_hash, computed_hash, write_code_identity

EARLIER = hashlib.sha256(b"the code of the release before").hexdigest()


@pytest.fixture
def package(tmp_path: Path) -> Iterator[ModuleType]:
    """A package of two modules, as a workload may be."""
    folder = tmp_path / "workload_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A workload."""\n')
    (folder / "steps.py").write_text("RATE = 0.1\n")
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    yield module
    del sys.modules[folder.name]


def place(package: ModuleType) -> Path:
    assert package.__file__ is not None
    return Path(package.__file__).parent


def test_code_without_a_declaration_is_known_by_its_own_hash(package: ModuleType) -> None:
    expected = hashlib.sha256()
    for name in ("__init__.py", "steps.py"):
        expected.update(name.encode() + b"\0" + (place(package) / name).read_bytes() + b"\0")
    assert code_hash(package) == computed_hash(package) == expected.hexdigest()


def test_declaration_makes_the_earlier_hash_stand_for_the_code(package: ModuleType) -> None:
    computed = computed_hash(package)
    path = write_code_identity(package, EARLIER)
    assert path == place(package) / CODE_IDENTITY
    assert json.loads(path.read_text()) == {"code_sha256": computed, "figures_of": EARLIER}
    assert code_hash(package) == EARLIER
    assert computed_hash(package) == computed


@pytest.mark.parametrize("edit", ["changed", "added", "removed"])
def test_declaration_does_not_apply_after_an_edit(package: ModuleType, edit: str) -> None:
    write_code_identity(package, EARLIER)
    declared = computed_hash(package)
    match edit:
        case "changed":
            (place(package) / "steps.py").write_text("RATE = 0.2\n")
        case "added":
            (place(package) / "more.py").touch()
        case "removed":
            (place(package) / "steps.py").unlink()
    assert code_hash(package) == computed_hash(package) != declared


def test_declaration_applies_again_once_the_edit_is_undone(package: ModuleType) -> None:
    write_code_identity(package, EARLIER)
    steps = place(package) / "steps.py"
    text = steps.read_text()
    steps.write_text("RATE = 0.2\n")
    assert code_hash(package) != EARLIER
    steps.write_text(text)
    assert code_hash(package) == EARLIER


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"figures_of": "%(earlier)s"}',
        b'{"code_sha256": "%(computed)s"}',
        b'{"code_sha256": "%(computed)s", "figures_of": null}',
        b'{"code_sha256": "%(computed)s", "figures_of": "of the last release"}',
        b'{"code_sha256": ["%(computed)s"], "figures_of": "%(earlier)s"}',
    ],
)
def test_damaged_declaration_does_not_apply_and_is_no_error(package: ModuleType, content: bytes) -> None:
    computed = computed_hash(package)
    values = {b"computed": computed.encode(), b"earlier": EARLIER.encode()}
    (place(package) / CODE_IDENTITY).write_bytes(content % values if b"%(" in content else content)
    assert code_hash(package) == computed


def test_unreadable_declaration_does_not_apply(package: ModuleType) -> None:
    (place(package) / CODE_IDENTITY).mkdir()
    assert code_hash(package) == computed_hash(package)


@pytest.mark.parametrize("figures_of", ["", "0" * 63, EARLIER.upper(), f"{EARLIER}\n"])
def test_only_a_hash_can_be_declared(package: ModuleType, figures_of: str) -> None:
    with pytest.raises(ValueError, match="must be a SHA-256"):
        write_code_identity(package, figures_of)
    assert not (place(package) / CODE_IDENTITY).exists()


def test_module_on_its_own_declares_nothing(tmp_path: Path) -> None:
    path = tmp_path / "single.py"
    path.write_text("RATE = 0.1\n")
    spec = importlib.util.spec_from_file_location("single", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(ValueError, match="comes from none"):
        write_code_identity(module, EARLIER)
    (tmp_path / CODE_IDENTITY).write_text(json.dumps({"code_sha256": computed_hash(module), "figures_of": EARLIER}))
    assert code_hash(module) == computed_hash(module)


def test_target_without_a_file_has_no_hash() -> None:
    assert code_hash(sys) == ""
