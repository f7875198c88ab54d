"""Import workloads by name, and explain what is wrong with a name or a function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from sweeps.recipe.schema import BadRecipe, RecipeSchema, merge
from sweeps.trial.seeds import stream
from sweeps.workload import BadWorkload, Site, load
from sweeps.workload.run import Run


@dataclass
class Plain:
    epochs: int = 1


class Inner(BaseModel, extra="forbid"):
    size: int = 3


class Nested(BaseModel, extra="forbid"):
    inner: Inner = Inner()
    other: Inner | None = None
    rate: float = 0.5


def bare(recipe: Plain, run: Run) -> Iterator[dict[str, float]]:
    yield {"loss": 1.0}


def no_annotation(recipe, run):  # type: ignore[no-untyped-def]
    yield {}


def unresolved(recipe: Missing, run: Run) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Its annotation names nothing."""


def one_argument(recipe: Plain) -> None:
    """It has no room for the run."""


def test_bare_generator_function_is_a_workload(tmp_path: Path) -> None:
    workload = load("tests.sweeps.workload.test_workload:bare")
    assert workload.schema.keys == {"epochs": int}
    recipe = Plain()
    assert (workload.cost(recipe), workload.toggles(), workload.chance(recipe), workload.smoke(recipe)) == ({},) * 4
    assert workload.percentages() == []
    assert (workload.references(recipe), workload.without_validation(recipe, [3])) == ({}, {})
    assert workload.prepare(Plain(), Site(tmp_path, "cpu")).provenance == {}


def test_package_means_its_workload_module() -> None:
    assert load("cifar_sweep").target.__name__ == "cifar_sweep.workload"


def test_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_workload_here.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass R:\n    epochs: int = 2\n"
        "def train(recipe: R, run):\n    yield {'loss': 1.0}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "epochs" in load("my_workload_here").schema.keys


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package", "no module 'no_such_package'"),
        ("tests.no_such_module", "no module 'tests.no_such_module'"),
        ("tests.sweeps.workload.test_workload:nothing", "has no 'nothing'"),
        ("tests.sweeps.workload.test_workload:stream", "annotate the first argument"),
        ("tests.sweeps.workload.test_workload:no_annotation", "annotate the first argument"),
        ("tests.sweeps.workload.test_workload:unresolved", "cannot be resolved"),
        ("tests.sweeps.workload.test_workload:one_argument", "takes 1 argument"),
        ("tests.sweeps", "no function 'train'"),
        ("", "workload ''"),
    ],
)
def test_bad_workload_is_explained(name: str, message: str) -> None:
    with pytest.raises(BadWorkload, match=message):
        load(name)


def test_missing_dependency_of_a_workload_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_something.py").write_text("import not_installed_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BadWorkload, match="needs the module 'not_installed_at_all'"):
        load("needs_something")


@pytest.mark.parametrize(
    ("module", "content", "message"),
    [
        ("half_written", "x = 1\ndef train(recipe, run)\n", "half_written.py, line 2: SyntaxError: "),
        (
            "divides_by_zero",
            "def half(x):\n    return 1 / x\n\nhalf(0)\n",
            "divides_by_zero.py, line 2: ZeroDivisionError: ",
        ),
    ],
)
def test_error_while_a_workload_is_imported_names_file_and_line(
    module: str, content: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{module}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadWorkload) as caught:
        load(module)
    assert f"workload {module!r} cannot be imported: {tmp_path / message}" in str(caught.value)


def test_keys_of_nested_and_optional_sections_are_dotted() -> None:
    assert list(RecipeSchema(Nested).keys) == ["inner", "inner.size", "other", "other.size", "rate"]


def test_recipe_mistakes_are_all_named() -> None:
    with pytest.raises(BadRecipe) as caught:
        RecipeSchema(Nested).validate({"inner": {"sizes": 3}, "rate": "fast"})
    assert [key for key, _ in caught.value.mistakes] == ["inner.sizes", "rate"]


def test_value_of_an_unknown_key_is_a_key_error() -> None:
    schema = RecipeSchema(Nested)
    assert schema.get(schema.validate({}), "inner.size") == 3
    with pytest.raises(KeyError):
        schema.get(schema.validate({}), "inner.size.more")


def test_merge_puts_dotted_overrides_into_a_copy() -> None:
    settings = {"model": {"widths": [1, 2], "norm": "batch"}}
    merged = merge(settings, {"model.widths": [3], "optimizer.lr": 0.1, "model": {"norm": "none"}})
    assert merged == {"model": {"widths": [3], "norm": "none"}, "optimizer": {"lr": 0.1}}
    assert settings == {"model": {"widths": [1, 2], "norm": "batch"}}


def test_streams_are_disjoint_by_path_and_equal_for_equal_paths() -> None:
    seeds = {stream(seed, stage, index) for seed in range(3) for stage in ("search", "confirm") for index in range(50)}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream(0, "search") == stream(0, "search")
