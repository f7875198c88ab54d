"""The page of a trial and of an arm in a browser, by the fragment of the address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.artifacts.layout import LOG, trial_folder
from sweeps.evidence.findings import Findings
from sweeps.report.trials.arms import arms_data
from sweeps.report.trials.records import curves_data, logs_data
from sweeps.report.write import write_report
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .browsing import BROWSER, Tab
from .conftest import study_of, trial_of
from .staged import arm_of, draws, findings_of, stage_of, staged

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")
ERROR = "ValueError: <b>bad</b> & worse"


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A study with every stage, whose trial 40 failed with a traceback."""
    folder = tmp_path_factory.mktemp("study")
    failed = trial_folder(folder, 40)
    failed.mkdir(parents=True)
    (failed / LOG).write_text("begun\n" * 5000 + f"Traceback (most recent call last):\n{ERROR}\n", encoding="utf-8")
    return staged(folder)


@pytest.fixture(scope="module")
def page(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(findings, (), tmp_path_factory.mktemp("report"))


@pytest.fixture
def tab(browser: Tab) -> Iterator[Tab]:
    """A tab whose console stays silent whatever a test does."""
    yield browser
    assert browser.problems == []


def text(tab: Tab) -> str:
    """The text of the page of a trial or an arm; empty while the report is shown."""
    return str(tab.run("document.getElementById('trial-page').innerText"))


def rows(tab: Tab, label: str) -> list[list[str]]:
    """The cells of a table of the page."""
    cells: list[list[str]] = tab.run(f"""[...document.querySelectorAll('#trial-page [aria-label="{label}"] tbody tr')]
      .map((row) => [...row.cells].map((cell) => cell.textContent))""")
    return cells


def follow(tab: Tab, link: str) -> None:
    """Follow a link by the keyboard and wait for its page."""
    tab.run(f"""(() => {{
      window.arrived = new Promise((resolve) => addEventListener("hashchange", () => resolve(1), {{once: true}}));
      document.querySelector('{link}').focus();
    }})()""")
    tab.press("Enter")
    tab.run("arrived")


def test_arms_know_their_runs_and_fragments(findings: Findings) -> None:
    data, trials = arms_data(findings), findings.results.everything
    assert {"arm-baseline", "arm-without-batch_norm", "arm-trial-30"} <= {arm["fragment"] for arm in data["arms"]}
    for arm in data["arms"]:
        assert all(trials[row].stage == arm["stage"] for row in arm["rows"])
    for row, trial in enumerate(trials):
        place = data["armOfRow"][row]
        assert (place < 0) == (trial.stage == "search")
        assert place < 0 or data["arms"][place]["name"] == trial.variant
    assert next(arm for arm in data["arms"] if arm["name"] == "wide")["rows"] == []


def test_arms_of_other_names_never_share_a_fragment(tmp_path: Path) -> None:
    stage = stage_of("ablation", [(arm_of(name), draws(90.0, 2)) for name in ("a b", "a-b", "a/b", "!")])
    fragments = [arm["fragment"] for arm in arms_data(findings_of(tmp_path, [stage]))["arms"]]
    assert fragments == ["arm-a-b", "arm-a-b-2", "arm-a-b-2-2", "arm-0"]


def test_an_arm_differs_from_the_baseline_in_what_both_are_known_to_set(tmp_path: Path) -> None:
    settings = {"optimizer": {"lr": 0.1, "name": "sgd", "momentum": 0.9}, "default": 3, "model": {"blocks": [1, 1]}}
    arm = replace(arm_of("fast", edits={"new": 1}), settings={**settings, "new": 1, "epochs": 9})
    (shown,) = arms_data(findings_of(tmp_path, [stage_of("ablation", [(arm, draws(90.0, 2))])]))["arms"]
    assert shown["differs"] == [["optimizer.lr", "0.05", "0.1"], ["new", None, "1"]]


def test_curves_are_thinned_to_stay_small_and_hold_no_imputed_value() -> None:
    long = trial_of(0, curve={epoch: float(epoch) for epoch in range(1, 5001)})
    broken = trial_of(1, Status.DIVERGED, curve={1: 50.0, 2: 10.0}, reason="val_loss was nan in epoch 2")
    curves = curves_data([long, broken, trial_of(2, Status.REJECTED)])
    assert curves[0] is not None
    assert len(curves[0]["values"]) <= 100
    assert [curves[0]["epochs"][at] for at in (0, -1)] == [1, 5000]
    assert curves[1:] == [{"values": [50.0]}, None]


def test_a_log_is_read_from_its_end_and_kept_once(tmp_path: Path) -> None:
    trials = tuple(trial_of(number, Status.FAILED) for number in range(3))
    for number in range(2):
        trial_folder(tmp_path, number).mkdir(parents=True)
        (trial_folder(tmp_path, number) / LOG).write_bytes(b"\xff" * 9000 + b"\nlast \x1b[31mline\n")
    logs = logs_data(Results(study_of(), trials, {}, tmp_path))
    assert logs["at"] == {"0": 0, "1": 0}
    (shown,) = logs["texts"]
    assert "\x1b" not in shown
    assert len(shown) <= 2000
    assert shown.endswith("line")


@needs_browser
def test_a_trial_has_its_recipe_curve_cost_and_place_in_later_stages(tab: Tab, page: Path, findings: Findings) -> None:
    tab.open(page, "trial-30")
    trial = findings.results.trials[30]
    shown = text(tab)
    assert shown.startswith("Back to all trials\n\nTrial 30\n\ncomplete")
    recipe = {key: (base, value) for key, base, value in rows(tab, "Recipe")}
    assert recipe["optimizer.name"] == ("sgd", trial.parameters["optimizer.name"])
    assert recipe["model.blocks"] == ("[1, 1]", str(trial.parameters["model.blocks"]))
    assert f"{trial.cost['parameters']:,}" in shown
    assert "Trained again on fresh seeds: trial 30" in shown
    points = tab.run("document.querySelector('#trial-page polyline').getAttribute('points').split(' ').length")
    assert points == len(trial.curve)
    assert not tab.run("document.getElementById('answer').checkVisibility()")


@needs_browser
def test_a_failed_trial_has_its_reason_and_the_end_of_its_log(tab: Tab, page: Path) -> None:
    tab.open(page, "trial-40")
    shown = text(tab)
    assert "failed: RayActorError: the worker died" in shown
    assert ERROR in shown
    assert shown.count("begun") < 20


@needs_browser
def test_keyboard_leads_from_table_to_run_arm_sibling_and_back(tab: Tab, page: Path, findings: Findings) -> None:
    tab.open(page, "trials")
    tab.run("""(() => {
      const field = document.getElementById("trial-text");
      field.value = "ablation";
      field.dispatchEvent(new Event("input"));
    })()""")
    follow(tab, '#trial-table a[href="#ablation-0"]')
    run = findings.results.stages["ablation"].trials[0]
    assert "Run 0 of ablation" in text(tab)
    assert tab.run("document.activeElement.id") == "trial-page-title"
    siblings = rows(tab, "Other runs of the same seed")
    same = [one for one in findings.results.stages["ablation"].trials[1:] if one.replicate == run.replicate]
    assert [line[1] for line in siblings] == [f"Run {one.number} of ablation" for one in same]
    follow(tab, '#trial-page a[href="#arm-without-batch_norm"]')
    assert all(f"In {stage}" in text(tab) for stage in ("ablation", "final"))
    assert len(rows(tab, "Runs in ablation")) == 6
    for heading in ("Run 0 of ablation", ""):
        tab.run("""(() => {
          window.arrived = new Promise((resolve) => addEventListener("hashchange", () => resolve(1), {once: true}));
          history.back();
        })()""")
        tab.run("arrived")
        assert heading in text(tab)
    assert text(tab) == ""
    assert tab.run("document.querySelectorAll('#trial-table tbody tr').length") == 34
    assert tab.run("document.title") == "budget_demo: report of a study"


@needs_browser
def test_figures_fit_after_a_page_was_opened_first(tab: Tab, page: Path) -> None:
    tab.open(page, "confirm-3", width=800)
    follow(tab, '#trial-page a[href="#trials"]')
    widths = tab.run(
        "[...document.querySelectorAll('.plot .main-svg')].map((one) => one.getBoundingClientRect().width)"
    )
    assert 0 < max(widths) <= 800


@needs_browser
def test_an_unknown_fragment_shows_the_report(tab: Tab, page: Path) -> None:
    tab.open(page, "trial-4000")
    assert text(tab) == ""
    assert tab.run("document.getElementById('answer').checkVisibility()")
