"""Studies of the small workload `tests.sweeps.recipes:blobs`, checked."""

from __future__ import annotations

import pytest

from sweeps.study.document import edit, from_text
from sweeps.study.problems import StudyError
from sweeps.study.study import Study, parse
from sweeps.validation.checks import check
from tests.sweeps.recipes import workload

HEAD = """\
name: x
question: Which?
workload: tests.sweeps.recipes:blobs
metric: {name: val_accuracy, goal: maximize}
run_cap: 8
"""
SEARCH = "parameters:\n  optimizer.lr: {min: 0.01, max: 0.5}\n"


def report(text: str, *assignments: str) -> str:
    """The mistakes of a study file that ends in `text`, with the `--set` of `assignments`."""
    document = edit(from_text(HEAD + text, "s.yaml"), assignments)
    with pytest.raises(StudyError) as caught:
        check(parse(document), workload(), document)
    return str(caught.value)


def valid(text: str) -> Study:
    """The study in a file that ends in `text`, which has no mistakes."""
    document = from_text(HEAD + text, "s.yaml")
    study = parse(document)
    check(study, workload(), document)
    return study
