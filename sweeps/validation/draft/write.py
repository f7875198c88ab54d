"""Write a new study file."""

from __future__ import annotations

from pathlib import Path

from sweeps.artifacts.layout import STUDY_NAME_LENGTH, is_study_name
from sweeps.io.files import write_atomic
from sweeps.io.paths import shown
from sweeps.study.problems import failure
from sweeps.validation.authoring import SCHEMA_FILE, schema_text
from sweeps.validation.draft.choices import Choices
from sweeps.validation.draft.compose import Draft, compose
from sweeps.workload import load


def path_of(name: str, out: Path | None) -> Path:
    """Return the path of a new study file: `out`, or studies/NAME.yaml.

    Raises:
        StudyError: The name is none for a study, or the file exists.
    """
    if not is_study_name(name):
        rule = "letters, digits, '_', '.' and '-', a letter or digit first, at most"
        raise failure("the name", f"names the study's folder: {rule} {STUDY_NAME_LENGTH}; got {shown(name)}")
    path = out if out is not None else Path("studies") / f"{name}.yaml"
    if path.exists():
        raise failure(str(path), "exists already: give another name or --out")
    return path


def write_new(choices: Choices, workload: str, out: Path | None = None) -> tuple[Path, Draft]:
    """Write a new study file, and beside it the JSON Schema where there is none.

    Args:
        choices: The choices.
        workload: The name of the workload.
        out: The path of the file; default: studies/NAME.yaml.

    Returns:
        The path of the file, and its content.

    Raises:
        StudyError: The choices have mistakes, or the file exists.
        BadWorkload: The workload cannot be loaded.
    """
    path = path_of(choices.name, out)
    draft = compose(choices, load(workload))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, draft.text)
    beside = path.with_name(SCHEMA_FILE)
    if not beside.exists():
        write_atomic(beside, schema_text(workload))
    return path, draft
