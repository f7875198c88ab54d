"""The imports point one way, each heavy library has its doors, and the quick commands load none of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.support import ROOT, clean

# From the command line down to the nouns; a module may import from its own layer and from those below.
LAYERS = (
    ("sweeps.__main__",),
    ("sweeps.cli",),
    ("sweeps.launch",),
    ("sweeps.request",),
    (
        "sweeps.authoring",
        "sweeps.card",
        "sweeps.delivery",
        "sweeps.plan",
        "sweeps.repair",
        "sweeps.runs",
        "sweeps.terminal",
    ),
    ("sweeps.engine", "sweeps.importance", "sweeps.probe", "sweeps.progress"),
    ("sweeps.course",),
    ("sweeps.final", "sweeps.race", "sweeps.retune"),
    ("sweeps.ablation",),
    ("sweeps.confirm", "sweeps.incumbent", "sweeps.replication", "sweeps.search", "sweeps.shortlist"),
    ("sweeps.leg",),
    ("sweeps.report",),
    ("sweeps.allowance", "sweeps.cache", "sweeps.lock", "sweeps.openings", "sweeps.sampler"),
    ("sweeps.sharing", "sweeps.site"),
    ("sweeps.references", "sweeps.runners", "sweeps.smoke", "sweeps.stages"),
    ("sweeps.store",),
    ("sweeps.reconcile",),
    ("sweeps.ledger",),
    ("sweeps.glance", "sweeps.storage"),
    ("sweeps.tables", "sweeps.tpe"),
    ("sweeps.cautions", "sweeps.chosen", "sweeps.evidence", "sweeps.verdict"),
    ("sweeps.checks", "sweeps.record", "sweeps.results"),
    ("sweeps.designs", "sweeps.drift", "sweeps.gate", "sweeps.shrink", "sweeps.words"),
    ("sweeps.codec", "sweeps.stopping", "sweeps.study"),
    ("sweeps.constraints", "sweeps.grammar"),
    ("sweeps.space", "sweeps.stats", "sweeps.variants", "sweeps.workload"),
    ("sweeps.recipe", "sweeps.trial"),
    ("sweeps.misfits", "sweeps.saved"),
    ("sweeps.room", "sweeps.sections", "sweeps.checkpoint", "sweeps.confusion", "sweeps.curves"),
    ("sweeps.claim", "sweeps.filesystem"),
    ("sweeps.collector", "sweeps.errors", "sweeps.files", "sweeps"),
)
DOORS = {
    "optuna": {
        *("sweeps.importance", "sweeps.ledger", "sweeps.sampler"),
        *("sweeps.storage", "sweeps.store", "sweeps.tables", "sweeps.tpe"),
    },
    "ray": {"sweeps.runners.ray"},
    "torch": {"cifar_sweep"},
    "torchvision": {"cifar_sweep"},
    "plotly": {"sweeps.report.figures"},
    "pandas": {"sweeps.report"},
    "scipy": {"cifar_sweep", "sweeps.stats"},
    "typer": {"sweeps.cli"},
    "sklearn": {"cifar_sweep"},
    "onnxruntime": {"cifar_sweep"},
    "safetensors": {"cifar_sweep"},
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("sweeps", "cifar_sweep")
    for path in (ROOT / package).rglob("*.py")
}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            submodules = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name for name in submodules if name in MODULES} or {str(node.module)}
    return found


def layer(module: str) -> int:
    """The layer that names the longest part of `module`."""
    named = {name: index for index, names in enumerate(LAYERS) for name in names}
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        if (known := named.get(".".join(parts[:end]))) is not None and (end > 1 or len(parts) == 1):
            return known
    raise AssertionError(f"{module} has no layer: put it into LAYERS")


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("sweeps")])
def test_imports_point_down(module: str) -> None:
    for other in imported(MODULES[module]):
        if other.split(".")[0] == "sweeps":
            assert layer(module) <= layer(other), f"{module} imports {other}, which stands above it"
        assert other.split(".")[0] != "cifar_sweep", f"{module}: the engine knows nothing of CIFAR"


def test_workload_knows_of_the_engine_only_the_protocol() -> None:
    for name, path in MODULES.items():
        if name.startswith("cifar_sweep"):
            assert {other for other in imported(path) if other.split(".")[0] == "sweeps"} <= {"sweeps.workload"}, name


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
        (["validate", "studies/quickstart.yaml"], {"optuna", "ray", "torch", "plotly", "pandas"}),
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
