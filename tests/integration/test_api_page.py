"""The examples of docs/api.md and examples/notebook.py run as they are printed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient

from tests.sweeps.support import ROOT, TOY, clean

PAGE = ROOT / "docs" / "api.md"
FIXTURE = ROOT / "tests" / "fixtures" / "studies_of_0_1_0"


def test_examples_of_the_page_run_in_their_order(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 4
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=clean({}), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "forest.html").stat().st_size > 1000


def test_page_names_every_public_name() -> None:
    import sweeps

    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in sweeps.__all__ if name not in ("Figures",) and f"`{name}`" not in text] == []


def test_notebook_like_example_draws_its_figures(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE / "studies", tmp_path / "runs")
    (tmp_path / "runs" / "whole").rename(tmp_path / "runs" / "quickstart")
    shutil.copy(FIXTURE / "hill.py", tmp_path)
    script = ROOT / "examples" / "notebook.py"
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=clean({}), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for name in ("forest.html", "learning_curves.html"):
        assert (tmp_path / name).stat().st_size > 1000, name


def test_study_runs_and_figures_are_shown_in_a_notebook(tmp_path: Path) -> None:
    """In a real kernel, twice in a process: progress in one output that is updated, answer and figure inline."""
    study = {**TOY, "ablation": {"components": {"handicap": {"handicap": 5.0}}, "seeds": 2}, "run_cap": 3}
    cells = [
        f"import sweeps\noutcome = sweeps.run({study!r}, runner='inline')",
        "outcome.results",
        "sweeps.load('toy').figures.forest()",
        f"sweeps.run({study!r}, runner='inline').new_runs",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    with patch.dict(os.environ, clean({})):
        client.execute()
    run, answer, figure, again = (cell.outputs for cell in notebook.cells)
    (progress,) = [output for output in run if output.output_type == "display_data"]
    assert "ablation" in progress.data["text/html"]
    assert "validation accuracy" in answer[0].data["text/html"]
    assert "application/vnd.plotly.v1+json" in figure[0].data
    assert again[-1].data["text/plain"] == "0"
