from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.report import Importance, save_report
from sweeps.report.figures import bundle
from sweeps.storage.results import Results
from sweeps.trial.trial import Status

from .conftest import ENVIRONMENT, search, trial_of
from .reading import Element, read_page

Make = Callable[..., Results]
FIGURES = ["pareto_front", "learning_curves", "history", "parallel_coordinates", "importance", "rungs", "timeline"]


@pytest.fixture
def page(results: Results, importance: Importance, tmp_path: Path) -> Element:
    return read_page(save_report(results, (importance,), tmp_path / "report"))


def _section(page: Element, name: str) -> Element:
    return page.find("section", id=name)[0]


def _figures(page: Element) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(page.find("script", id="figures")[0].text)["figures"]
    return figures


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_begins_with_question_and_answer(page: Element, results: Results) -> None:
    best = results.ranked()[0]
    assert page.find("h1")[0].text == results.study.name
    assert page.find("p", **{"class": "question"})[0].text == results.study.question
    assert f"trial {best.number}, validation accuracy {best.value:.2f} %" in _section(page, "answer").text


def test_the_best_table_shows_the_trials_own_numbers(page: Element, results: Results) -> None:
    table = _section(page, "best")
    shown = [dict(zip(table.titles(), row, strict=True)) for row in table.rows()]
    assert len(shown) == 10
    for row, trial in zip(shown, results.ranked(), strict=False):
        assert row["trial"] == str(trial.number)
        assert row["validation accuracy"] == f"{trial.value:.2f} %"
        assert row["parameters"] == f"{trial.cost['parameters']:,}"
        assert float(row["optimizer.lr"]) == pytest.approx(trial.parameters["optimizer.lr"], rel=1e-3)
        assert row["model.blocks"] == str(trial.parameters["model.blocks"])


def test_every_figure_is_named_captioned_and_has_its_data_beneath(page: Element) -> None:
    figures = page.find("figure")
    assert [figure.find("div", role="group")[0].attributes["id"] for figure in figures] == [
        f"plot-{k}" for k in FIGURES
    ]
    for figure in figures:
        drawing, caption = figure.find("div", role="group")[0], figure.find("figcaption")[0]
        assert drawing.attributes["aria-label"] == figure.find("h3")[0].text
        assert drawing.attributes["aria-describedby"] == caption.attributes["id"]
        assert re.search(r"n = \d+ ", caption.text)
        assert "alidation" in caption.text
        assert figure.find("details")[0].rows()
    assert "exploratory" in figures[4].text


def test_the_figures_draw_what_the_trials_recorded(page: Element, results: Results) -> None:
    drawn = _figures(page)
    assert list(drawn) == FIGURES
    assert "<" not in page.find("script", id="figures")[0].text
    points = {trace["name"]: trace for trace in drawn["pareto_front"]["data"]}
    best = results.ranked()[0]
    assert (points["best"]["x"], points["best"]["y"]) == ([best.cost["parameters"]], [best.value])
    assert len(points["rejected"]["x"]) == results.counts()[Status.REJECTED]
    assert [shape["x0"] for shape in drawn["pareto_front"]["layout"]["shapes"]] == [100_000]
    curve = next(trace for trace in drawn["learning_curves"]["data"] if trace["name"] == "best")
    assert curve["y"] == [*best.curve.values(), None]


def test_trials_that_did_not_complete_are_listed_by_reason(page: Element, results: Results) -> None:
    text = _section(page, "ends").text
    for status in (Status.PRUNED, Status.DIVERGED, Status.REJECTED, Status.FAILED):
        assert f"{results.counts()[status]} {status.value}" in text
    for trial in results.trials:
        assert trial.reason in text


def test_a_long_list_of_reasons_is_collapsed(make_results: Make, tmp_path: Path) -> None:
    failed = [trial_of(number, Status.FAILED, reason=f"reason {number}") for number in range(9)]
    page = read_page(save_report(make_results(*failed, trial_of(9, Status.PRUNED)), (), tmp_path))
    assert ["open" in details.attributes for details in _section(page, "ends").find("details")] == [True, False]


def test_cost_and_provenance_are_told(page: Element, results: Results) -> None:
    hours = sum(trial.seconds for trial in results.trials) / 3600
    epochs = sum(trial.epochs for trial in results.trials)
    assert f"{hours:.2f} CPU-hours" in _section(page, "cost").text
    assert _section(page, "cost").rows()[-1][:3] == ["all", str(len(results.trials)), str(epochs)]
    assert dict(_section(page, "provenance").rows())["data.fingerprint"] == ENVIRONMENT["data"]["fingerprint"]
    assert "sweep run studies/budget.yaml" in _section(page, "provenance").text
    assert "run_cap: 24" in page.find("pre")[-1].text


def test_the_page_fetches_nothing_and_forbids_fetching(page: Element) -> None:
    policy = page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"] or ""
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[\w+/=]+' ?){4}", rules["script-src"])
    assert not any("http" in sources or "*" in sources for sources in rules.values())
    for tag in ("script", "link", "img", "iframe", "a", "source", "object"):
        for element in page.find(tag):
            for name in ("src", "href", "data", "srcset"):
                assert (element.attributes.get(name) or "#").startswith(("#", "data:")), (tag, element.attributes)
    assert "url(" not in page.find("style")[0].text


def test_the_library_of_the_figures_is_packed_and_the_policy_names_its_hash(page: Element) -> None:
    packed = page.find("script", id="packed-script")[0]
    assert packed.attributes["type"] == "text/plain"
    source = zlib.decompress(base64.b64decode(packed.text))
    assert source.decode() == bundle()
    digest = base64.b64encode(hashlib.sha256(source).digest()).decode()
    assert f"'sha256-{digest}'" in (
        page.find("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"] or ""
    )
    assert len(packed.text) < 0.45 * len(source)


def test_tables_hold_every_trial_and_epoch(results: Results, tmp_path: Path) -> None:
    save_report(results, (), tmp_path)
    rows = {path.stem: _csv(path) for path in (tmp_path / "tables").glob("*.csv")}
    assert set(rows) == {"winner", "best", "trials", "not_completed", "curves", "ends", "cost", "provenance"}
    assert [int(row["trial"]) for row in rows["trials"]] == [trial.number for trial in results.trials]
    assert [float(row["optimizer.lr"]) for row in rows["trials"]] == [
        trial.parameters["optimizer.lr"] for trial in results.trials if "optimizer.lr" in trial.parameters
    ]
    assert len(rows["not_completed"]) == sum(trial.status is not Status.COMPLETE for trial in results.trials)
    assert len(rows["curves"]) == sum(len(trial.measured) for trial in results.trials)


def test_a_formula_in_a_trial_reaches_no_spreadsheet(make_results: Make, tmp_path: Path) -> None:
    key, value = "=HYPERLINK(1)", "@SUM(A1)"
    trial = trial_of(0, Status.FAILED, parameters={key: value}, reason="+cmd|' /C calc'!A0")
    save_report(make_results(trial, parameters={key: {"values": [value, "b"]}}), (), tmp_path)
    (row,) = _csv(tmp_path / "tables" / "not_completed.csv")
    assert row[f"'{key}"] == f"'{value}"
    assert row["reason"] == "'+cmd|' /C calc'!A0"


def test_the_summary_for_git_says_answer_best_cost_and_provenance(results: Results, tmp_path: Path) -> None:
    save_report(results, (), tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    best = results.ranked()[0]
    assert f"trial {best.number}, validation accuracy {best.value:.2f} %" in text
    assert f"| 1 | {best.number} |" in text
    for words in ("## Cost", "CPU-hours in all", "## Provenance", "sha256:ab12", "sweep run studies/budget.yaml"):
        assert words in text


def test_nothing_half_written_is_left_and_a_second_report_replaces_the_first(
    make_results: Make, tmp_path: Path
) -> None:
    first = save_report(make_results(trial_of(0)), (), tmp_path / "report")
    before = {path.name for path in first.parent.rglob("*")}
    assert save_report(make_results(trial_of(0), trial_of(1, curve={1: 99.0})), (), tmp_path / "report") == first
    assert {path.name for path in first.parent.rglob("*")} == before
    assert "99.00 %" in read_page(first).find("section", id="answer")[0].text


def test_the_page_is_written_from_any_folder(
    make_results: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert save_report(make_results(trial_of(0)), (), tmp_path / "report").exists()


LISTS = {"model.widths": {"values": [[8, 16], [16, 32]]}, "model.norm": {"values": ["batch", None]}}
ABLATION = {"baseline": "given", "components": {"norm": {"model.norm": "none"}}, "seeds": 2}
EDGES: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "no trial": ([], {}, []),
    "one trial": (
        [trial_of(0)],
        {},
        ["pareto_front", "learning_curves", "history", "parallel_coordinates", "rungs", "timeline"],
    ),
    "only pruned": (
        [trial_of(n, Status.PRUNED) for n in range(4)],
        {},
        ["learning_curves", "history", "rungs", "timeline"],
    ),
    "only rejected": ([trial_of(0, Status.REJECTED)], {}, ["pareto_front"]),
    "only diverged at once": (
        [trial_of(0, Status.DIVERGED, curve={1: float("nan")})],
        {"early_terminate": None},
        ["timeline"],
    ),
    "running": ([trial_of(0, Status.RUNNING, curve={})], {}, ["timeline"]),
    "only choices, some of lists": (
        [trial_of(n, parameters={"model.widths": [8, 16], "model.norm": None}) for n in range(3)],
        {"parameters": LISTS},
        ["pareto_front", "learning_curves", "history", "parallel_coordinates", "rungs", "timeline"],
    ),
    "minimised, without limits, costs and early termination": (
        [trial_of(n, curve={1: 1 / (n + 1)}, cost={}) for n in range(3)],
        {"metric": {"name": "val_loss", "goal": "minimize"}, "constraints": None, "early_terminate": None},
        ["learning_curves", "history", "parallel_coordinates", "timeline"],
    ),
    "nothing searched": (
        [trial_of(0, parameters={})],
        {"parameters": {}, "run_cap": None, "early_terminate": None, "ablation": ABLATION},
        ["pareto_front", "learning_curves", "history", "timeline"],
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_unusual_studies_have_a_page_too(name: str, make_results: Make, tmp_path: Path) -> None:
    trials, changes, figures = EDGES[name]
    page = read_page(save_report(make_results(*trials, environment={}, **changes), (), tmp_path / "report"))
    drawn = list(_figures(page)) if page.find("script", id="figures") else []
    assert drawn == figures
    assert _section(page, "answer").find("p")


def test_a_large_study_stays_a_light_page(make_results: Make, tmp_path: Path) -> None:
    curve = {epoch: 90.0 + epoch / 100 for epoch in range(1, 401)}
    page = save_report(make_results(*(trial_of(number, curve=curve) for number in range(60))), (), tmp_path)
    assert page.stat().st_size < 12e6
    rows = read_page(page).find("figure")[1].find("tbody")[0].find("tr")
    assert len(rows) == 300


def test_the_same_results_give_the_same_page(importance: Importance, make_results: Make, tmp_path: Path) -> None:
    pages = [save_report(make_results(*search()), (importance,), tmp_path / name).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]
