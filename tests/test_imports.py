"""The imports point one way, each heavy library has its doors, and the quick commands load none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.support import ROOT, clean

# The packages of the engine from the ground up: a package imports only from the floors below its own.
FLOORS = (
    ("duplicates", "io", "space", "stats", "trial"),
    ("artifacts", "recipe"),
    ("study", "workload"),
    ("designs", "formatting", "pruners", "runners", "storage", "surrogate"),
    ("evidence", "samplers", "validation"),
    ("models", "prepare", "report", "stages"),
    ("forecast",),
    ("engine",),
    ("api",),
    ("cli",),
)
# The packages of the workload. Its entry points (workload, train, cost) stand on top of them all.
WORKLOAD_FLOORS = (
    ("device", "schema"),
    ("models",),
    ("recipe",),
    ("augment", "data", "optim"),
    ("inference",),
    ("techniques", "transfer"),
    ("training",),
    ("tune",),
    ("cost", "train", "workload"),
)
# Each heavy library, and the only packages that may import it.
DOORS = {
    "optuna": {
        *("sweeps.evidence.importance_estimators", "sweeps.samplers.sampler", "sweeps.samplers.tpe"),
        "sweeps.samplers.bayes",
        *("sweeps.space.distributions", "sweeps.storage.database", "sweeps.storage.stage_reader"),
        *("sweeps.storage.stage_storage", "sweeps.storage.study_reader"),
    },
    "ray": {"sweeps.runners.ray"},
    "torch": {"cifar_sweep", "sweeps.prepare.devices.torch_report"},  # the second in a process of its own
    "torchvision": {"cifar_sweep"},
    "plotly": {"sweeps.report.figures"},
    "pandas": {"sweeps.api.results", "sweeps.report"},
    "scipy": {"cifar_sweep", "sweeps.stats", "sweeps.surrogate"},
    "typer": {"sweeps.cli"},
    "sklearn": {"cifar_sweep"},
    "onnxruntime": {"cifar_sweep"},
    "safetensors": {"cifar_sweep"},
}
MOST_FILES = 12  # of a folder, besides __init__.py
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("sweeps", "cifar_sweep")
    for path in (ROOT / package).rglob("*.py")
}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = {f"{node.module}.{name.name}" for name in node.names}
            modules |= {name for name in submodules if name in MODULES} or {str(node.module)}
    return modules


def package(module: str) -> str:
    """The package of a module, or the module itself where it stands at the root: "io" for "sweeps.io.lock"."""
    parts = module.split(".")
    if parts[-1] == "__main__":
        return "cli"
    return parts[1] if len(parts) > 1 else ""


def floor_of(module: str, floors: tuple[tuple[str, ...], ...]) -> int:
    """The floor of a module's package, from 0. Raises AssertionError for a package without one."""
    for number, names in enumerate(floors):
        if package(module) in names:
            return number
    raise AssertionError(f"{module} has no floor: put its package into the table")


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_imports_point_down(module: str) -> None:
    root = module.split(".")[0]
    floors = FLOORS if root == "sweeps" else WORKLOAD_FLOORS
    for other in imported(MODULES[module]):
        assert other != "sweeps", f"{module} imports the public door, which stands above all"
        if other.split(".")[0] != root or "." not in other or package(module) == package(other):
            continue
        face = root == "cifar_sweep" and package(module) in WORKLOAD_FLOORS[-1]
        below = floor_of(other, floors) < floor_of(module, floors)
        assert below or face, f"{module} imports {other}, which does not stand below it"


def test_public_door_imports_nothing_before_it_is_asked() -> None:
    body = ast.parse(MODULES["sweeps"].read_text(encoding="utf-8")).body
    assert [ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom)] == [
        "from __future__ import annotations",
        "from importlib import import_module",
        "from typing import TYPE_CHECKING, Any",
    ]


def test_api_names_pandas_in_its_types_only() -> None:
    body = ast.parse(MODULES["sweeps.api.results"].read_text(encoding="utf-8")).body
    assert not [node for node in body if isinstance(node, ast.Import) and node.names[0].name == "pandas"]


def test_engine_knows_nothing_of_the_workload() -> None:
    for name, path in MODULES.items():
        if name.startswith("sweeps"):
            assert not {other for other in imported(path) if other.split(".")[0] == "cifar_sweep"}, name


def test_no_folder_is_for_a_stranger_to_search() -> None:
    for root in ("sweeps", "cifar_sweep"):
        for folder in [ROOT / root, *(path for path in (ROOT / root).rglob("*") if path.is_dir())]:
            files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            assert len(files) <= MOST_FILES, f"{folder} has {len(files)} files: divide it by noun"


def test_workload_knows_of_the_engine_only_the_protocol() -> None:
    for name, path in MODULES.items():
        if name.startswith("cifar_sweep"):
            used = {other for other in imported(path) if other.split(".")[0] == "sweeps"}
            assert used <= {"sweeps.workload"}, name


@pytest.mark.parametrize("library", DOORS)
def test_heavy_library_is_imported_behind_its_doors_only(library: str) -> None:
    users = {name for name, path in MODULES.items() if library in {other.split(".")[0] for other in imported(path)}}
    assert users, f"nothing imports {library}: drop it"
    for user in users:
        assert any(user == door or user.startswith(f"{door}.") for door in DOORS[library]), user


def test_modules_do_not_import_in_circles() -> None:
    graph = {name: {other for other in imported(path) if other in MODULES} for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], {"optuna", "ray", "torch", "plotly", "pandas", "pydantic", "numpy"}),
        (["validate", "studies/quickstart.yaml"], {"optuna", "ray", "torch", "plotly", "pandas", "scipy"}),
        (["toggles"], {"optuna", "ray", "torch", "plotly", "pandas"}),
    ],
)
def test_quick_command_loads_nothing_heavy(words: list[str], absent: set[str]) -> None:
    code = (
        f"import sys\nsys.argv = ['sweep', *{words!r}]\nfrom sweeps.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', *(name for name in sys.modules if '.' not in name))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean({}), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert not loaded & absent
