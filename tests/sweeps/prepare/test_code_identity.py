"""The hash of a workload's code, and the declaration that code computes the figures of an earlier one."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from sweeps.engine.launch import Folders, Options, RunResult, launch
from sweeps.prepare.code_identity import code_hash, code_of, computed_hash, write_code_identity
from sweeps.prepare.imports import CODE_IDENTITY
from sweeps.storage.drift import Drifted
from sweeps.workload import load
from tests.sweeps.support import TOY, clean, toy_study

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


SOLO = """
from dataclasses import dataclass
import user_scale

@dataclass(frozen=True)
class Recipe:
    x: float = 0.5
    epochs: int = 1

def train(recipe: Recipe, run):
    yield {"val_loss": user_scale.SCALE * (recipe.x - 0.3) ** 2}
"""
IDENTITY = """
import json, sys
from sweeps.prepare.code_identity import code_of
from sweeps.workload import load
print(json.dumps(code_of(load(sys.argv[1])), sort_keys=True))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a workload and the module that it imports; both are forgotten afterwards."""
    (tmp_path / "user_solo.py").write_text(SOLO)
    (tmp_path / "user_scale.py").write_text("SCALE = 1.0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("user_solo", "user_scale"):
        sys.modules.pop(name, None)


def test_imported_module_belongs_to_the_code(project: Path) -> None:
    before = code_of(load("user_solo"))
    (project / "user_scale.py").write_text("SCALE = 10.0\n")
    after = code_of(load("user_solo"))
    assert before["code_sha256"] != after["code_sha256"]
    assert before["folder_sha256"] == after["folder_sha256"] == computed_hash(load("user_solo").target)
    assert [name for name in after["files"] if after["files"][name] != before["files"][name]] == ["user_scale.py"]


def test_code_that_imports_nothing_of_the_users_keeps_its_hash() -> None:
    code = code_of(load("tests.toy"))
    assert code["code_sha256"] == code["folder_sha256"] == code_hash(load("tests.toy").target)


def test_identity_is_the_same_in_another_process_and_folder(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = code_of(load("user_solo"))
    elsewhere = Path(shutil.copytree(project, tmp_path_factory.mktemp("elsewhere") / "copy"))
    words = [sys.executable, "-c", IDENTITY, "user_solo"]
    done = subprocess.run(words, cwd=elsewhere, env=clean({}), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here


def test_declared_figures_of_an_imported_package_stand_for_its_files(project: Path) -> None:
    package = project / "user_scale"
    package.mkdir()
    (project / "user_scale.py").rename(package / "__init__.py")
    before = code_of(load("user_solo"))["code_sha256"]
    (package / CODE_IDENTITY).touch()  # a declaration that does not apply
    undeclared = code_of(load("user_solo"))["code_sha256"]
    figures_of = computed_hash(sys.modules["user_scale"])
    (package / "__init__.py").write_text("SCALE = 1.0  # a comment\n")
    edited = code_of(load("user_solo"))["code_sha256"]
    write_code_identity(sys.modules["user_scale"], figures_of)
    assert code_of(load("user_solo"))["code_sha256"] == undeclared
    assert len({before, undeclared, edited}) == 3


def test_module_whose_file_is_gone_is_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_of(load("user_solo"))
    monkeypatch.setattr(sys.modules["user_scale"], "__file__", str(project / "scale.zip" / "user_scale.py"))
    after = code_of(load("user_solo"))
    assert list(before["files"]) == ["user_scale.py", "user_solo.py"]
    assert list(after["files"]) == ["user_solo.py"]


def test_lock_of_an_editor_is_no_code(package: ModuleType) -> None:
    before = computed_hash(package)
    (place(package) / ".#steps.py").symlink_to("user@host.123:456")
    assert computed_hash(package) == before


STUDY = {**TOY, "workload": "user_solo", "metric": {"name": "val_loss", "goal": "minimize"}, "baseline": {}}


def run(project: Path, run_cap: int, name: str = "solo") -> RunResult:
    settings = {"name": name, "run_cap": run_cap, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
    study = toy_study(**{**STUDY, **settings})
    options = Options(Folders(project / "runs", project / "reports", project / "data"), "inline", quiet=True)
    return launch(study, load(study.workload), options)


def test_changed_helper_is_drift_that_names_it(project: Path) -> None:
    run(project, 1)
    (project / "user_scale.py").write_text("SCALE = 10.0\n")
    with pytest.raises(Drifted, match=r"code user_solo: \w{12} -> \w{12} \(changed: user_scale\.py\)"):
        run(project, 2)


def test_study_that_was_begun_with_the_first_version_goes_on_by_it(project: Path) -> None:
    run(project, 1)
    file = project / "runs" / "solo" / "environment.json"
    environment = json.loads(file.read_text())
    code = environment["workload"]
    environment["workload"] = {"name": code["name"], "code_sha256": code["folder_sha256"]}
    file.write_text(json.dumps(environment))
    (project / "user_scale.py").write_text("SCALE = 10.0\n")
    assert run(project, 2).complete
    assert json.loads(file.read_text())["workload"]["code_version"] == 2
    (project / "user_scale.py").write_text("SCALE = 20.0\n")
    with pytest.raises(Drifted, match=r"changed: user_scale\.py"):
        run(project, 3)
