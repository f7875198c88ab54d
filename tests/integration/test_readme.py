"""The README tells the truth: its study validates, its commands exist, its links lead somewhere."""

from __future__ import annotations

import re

import pytest

from sweeps.study.document import from_text
from sweeps.validation.checks import accept
from tests.sweeps.support import ROOT, sweep

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_study_of_the_readme_validates() -> None:
    (text,) = (block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if "workload:" in block)
    study, workload = accept(from_text(text, "README.md"))
    assert study.name == "resnet_budget"
    assert workload.name == "cifar_sweep"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`sweep ([\w-]+)", README))))
def test_command_of_the_readme_exists(name: str) -> None:
    assert sweep(name, "--help", cwd=ROOT).returncode == 0


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https:)([^)]+)\)", README))
def test_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_validates_and_names_its_schema(path) -> None:  # type: ignore[no-untyped-def]
    assert path.read_text().startswith("# yaml-language-server: $schema=study.schema.json\n")
    assert accept(from_text(path.read_text(), str(path)))[0].name == path.stem


def test_schema_beside_the_studies_is_current() -> None:
    assert (ROOT / "studies" / "study.schema.json").read_text() == sweep("schema", cwd=ROOT).stdout
