"""The pages for contributors tell the truth: the picture is that of the code, and whatever they name exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.sweeps.support import ROOT
from tests.test_imports import FLOORS, WORKLOAD_FLOORS

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]
# What a page calls a path of this project begins with one of these.
TOP = ("sweeps/", "cifar_sweep/", "tests/", "docs/", "benchmarks/", "examples/", "studies/", ".ci/")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    """docs/architecture.py as a module."""
    spec = importlib.util.spec_from_file_location("architecture", DOCS / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["architecture"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def written(root: Path, files: dict[str, str]) -> Path:
    """Write the files of a package tree called sweeps below `root`, and an empty cifar_sweep."""
    for name, text in {"sweeps/__init__.py": "", "cifar_sweep/__init__.py": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_picture_has_the_rooms_and_floors_of_the_code(architecture: ModuleType) -> None:
    groups = ElementTree.parse(DOCS / "images" / "architecture.svg").iter(f"{SVG}g")
    drawn = {group.get("data-room"): int(group.get("data-floor", "0")) for group in groups if group.get("data-room")}
    trees = [architecture.read_tree(ROOT, name) for name in architecture.TREES]
    floors = {f"{tree.name}/{room}": floor for tree in trees for room, floor in tree.floors.items()}
    assert drawn == floors, "run: python docs/architecture.py"


def test_picture_is_text_that_can_be_selected_and_the_same_each_time(architecture: ModuleType) -> None:
    picture = architecture.picture(ROOT)
    assert picture == architecture.picture(ROOT)
    texts = {text.text for text in ElementTree.fromstring(picture).iter(f"{SVG}text")}
    assert set(architecture.read_tree(ROOT, "sweeps").rooms) <= texts


@pytest.mark.parametrize(("name", "table"), [("sweeps", FLOORS), ("cifar_sweep", WORKLOAD_FLOORS)])
def test_no_room_stands_higher_than_the_table_puts_it(
    architecture: ModuleType, name: str, table: tuple[tuple[str, ...], ...]
) -> None:
    tree = architecture.read_tree(ROOT, name)
    merged = architecture.MERGED[name]
    allowed = {merged.get(room, room): floor for floor, row in enumerate(table, 1) for room in row}
    assert tree.floors.keys() == allowed.keys()
    assert not {room for room, floor in tree.floors.items() if floor > allowed[room]}
    assert not tree.circles
    assert not tree.not_downward


@pytest.mark.parametrize("name", ["sweeps", "cifar_sweep"])
def test_page_has_a_paragraph_for_every_package(architecture: ModuleType, name: str) -> None:
    page = text_of(DOCS / "architecture.md")
    (section,) = re.findall(rf"^## The packages of `{name}`$(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    described = re.findall(r"^- \*\*([\w ]+)\*\* —", section, re.MULTILINE)
    assert len(set(described)) == len(described)
    assert set(described) == set(architecture.read_tree(ROOT, name).rooms)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`([^`\s]+)`", text_of(page)))
    paths = {path.partition("::")[0] for path in named if path.startswith(TOP)}
    templates = re.compile(r"[A-Z]{3,}|\*")  # "tests/sweeps/PACKAGE", "studies/*_mini.yaml"
    missing = {path for path in paths if not templates.search(path) and not (ROOT / path).exists()}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_file_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+\.py)`", text_of(page)))
    assert not {name for name in named if not any((ROOT / "tests").rglob(name))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_name_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`((?:sweeps|cifar_sweep|benchmarks)(?:\.\w+)+)(?:\([^`]*\))?`", text_of(page)))
    commands = set(re.findall(r"python -m ([\w.]+)", text_of(page)))
    assert not {name for name in named | commands if not exists(name)}


def exists(name: str) -> bool:
    """Whether a dotted name is a module of this project, or stands at the left margin of one."""
    place = ROOT / name.replace(".", "/")
    if place.is_dir() or place.with_suffix(".py").exists():
        return True
    module, _, attribute = name.rpartition(".")
    folder = ROOT / module.replace(".", "/")
    files = [path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.exists()]
    defined = re.compile(
        rf"^(?:def|class) {attribute}\b|^{attribute}\b|^    [\"']?{attribute}\b|import .*\b{attribute}\b"
    )
    return any(re.search(defined.pattern, text_of(file), re.MULTILINE) for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        file, _, anchor = target.partition("#")
        place = (page.parent / file) if file else page
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


def anchors(page: Path) -> set[str]:
    """The anchors that a Markdown page gets for its headings."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_rooms_stand_above_what_they_import(architecture: ModuleType, tmp_path: Path) -> None:
    files = {
        "sweeps/low.py": "",
        "sweeps/middle/__init__.py": "",
        "sweeps/middle/inner.py": "def f():\n    from sweeps import low\n",
        "sweeps/high.py": "from sweeps.middle.inner import f\nimport sweeps.low\n",
    }
    tree = architecture.read_tree(written(tmp_path, files), "sweeps")
    assert tree.floors == {"low": 1, "middle": 2, "high": 3}
    assert tree.arrows == [("high", "low"), ("high", "middle"), ("middle", "low")]
    assert [tree.direct(*arrow) for arrow in tree.arrows] == [False, True, True]
    assert (tree.circles, tree.not_downward) == (0, 0)


def test_rooms_that_import_each_other_are_a_circle_on_one_floor(architecture: ModuleType, tmp_path: Path) -> None:
    files = {"sweeps/a.py": "import sweeps.b", "sweeps/b.py": "import sweeps.a", "sweeps/c.py": "import sweeps.a"}
    tree = architecture.read_tree(written(tmp_path, files), "sweeps")
    assert tree.floors == {"a": 1, "b": 1, "c": 2}
    assert (tree.circles, tree.not_downward) == (1, 2)


def test_sizes_are_counted(architecture: ModuleType, tmp_path: Path) -> None:
    function = '# why\ndef open_one():\n    """One\n    two."""\n    return 1  # beside\n'
    code = f"{function}\n\ndef _hidden():\n    return 2\n\n\nclass A:\n    x = 1\n"
    sizes = architecture.measure(written(tmp_path, {"sweeps/a.py": code}), "sweeps")
    assert (sizes.files, sizes.lines, sizes.fullest_folder) == (2, 13, 1)
    assert sizes.functions == [2, 4]
    assert (sizes.longest_class, sizes.documented, sizes.docstring) == (2, 1.0, 2)
    assert sizes.comments == 1 / 13


def test_table_of_this_checkout_has_a_row_for_each_figure(architecture: ModuleType) -> None:
    head, _, *rows = architecture.table(ROOT).splitlines()
    assert head == "| | `sweeps` | `cifar_sweep` |"
    assert "| circles | 0 | 0 |" in rows
    assert "| imports that do not lead down | 0 | 0 |" in rows
