"""The report of a study with every stage: its page, its files for git, its cost."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report import Importance
from sweeps.report.answer import concluded, whole_answer
from sweeps.report.figures import evidence_data, theme
from sweeps.report.tables.ablation import checks_table
from sweeps.report.tables.catalogue import NAMES
from sweeps.report.tables.cost import cost_of, stage_costs
from sweeps.report.tables.levels import levels_table
from sweeps.report.tables.outcomes import ends
from sweeps.report.tables.tidy import ablation_frame
from sweeps.report.write import write_report
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status

from .conftest import search
from .reading import Element, read_page
from .staged import (
    PARTS,
    SEEDS,
    Outcome,
    ablation_stage,
    arm_of,
    confirm_stage,
    draws,
    factorial,
    final_stage,
    findings_of,
    stage_of,
    staged,
    stepped,
    without,
)

SEARCH = ["pareto_front", "learning_curves", "history", "parallel_coordinates", "rungs", "timeline"]
HOSTILE = "</script><svg onload=alert(1)>%{x} & \\end{tabular} $x_1$ [a] | `b` \u202e"


@pytest.fixture
def page(tmp_path: Path) -> Element:
    return read_page(write_report(staged(tmp_path), (), tmp_path / "report"))


def _section(page: Element, name: str) -> Element:
    return page.find("section", id=name)[0]


def _figures(page: Element) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(page.find("script", id="figures")[0].text)["figures"]
    return figures


def test_the_answer_is_the_largest_effect_then_incumbent_then_smaller_effects_then_test(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    assert findings.ablation is not None
    relu, batch_norm, dropout = (one.verdict for one in findings.ablation.comparisons)
    answer = concluded(findings)
    assert answer.headline == relu
    assert answer.findings[0].startswith("The incumbent is trial 30: validation accuracy ")
    assert "n = 6 seeds), from the baseline runs of the ablation" in answer.findings[0]
    assert "Confirm chose it by its mean over 5 seeds, " in answer.findings[0]
    assert "Its value in the search was 97.93 %, a maximum of single runs" in answer.findings[0]
    assert answer.findings[1:3] == (batch_norm, dropout)
    assert re.match(r"On the sealed test set the incumbent reaches test accuracy .* n = 3 seeds", answer.findings[3])
    assert answer.findings[4].startswith("This test set has been opened 3 times: once by this study, twice by others")
    assert not answer.undecided
    assert answer.cautions[0].startswith("Best of 32 trials")
    assert "confirm it over seeds" not in answer.cautions[0]
    assert answer.cautions[-2].startswith("Tuning is unequal: the settings of the ablation's baseline were found by 32")
    assert answer.cautions[-1].startswith("Not checked: whether test images")
    assert whole_answer(findings) == [answer.headline, *answer.findings, *answer.cautions]


def test_an_inconclusive_component_is_never_the_headline(tmp_path: Path) -> None:
    values = {"first": draws(95.02), "second": draws(94.98), "third": [85.0 + place for place in range(6)]}
    rows = [(arm_of(BASELINE), draws(95.0)), *((without(name), runs) for name, runs in values.items())]
    plain = {"confirm": None, "final": None, "ablation": {"components": PARTS, "seeds": SEEDS}}
    clear = concluded(findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")], **plain))
    assert clear.headline.startswith("Removing third lowered")
    assert [sentence.split(":")[0] for sentence in clear.undecided] == ["Removing first", "Removing second"]
    vague = concluded(findings_of(tmp_path, [stage_of("ablation", rows[:3], design="leave_one_out")], **plain))
    assert vague.headline == "Inconclusive: none of 2 comparisons shows a clear difference (p below 0.05 by Holm)."
    assert len(vague.undecided) == 2
    assert not vague.findings


def test_the_page_groups_what_is_not_told_apart_and_the_cautions(tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), draws(95.0)), (without("relu"), draws(80.0)), (without("dropout"), draws(95.02))]
    plain = {"components": PARTS, "seeds": SEEDS}
    stage = stage_of("ablation", rows, design="leave_one_out")
    findings = findings_of(tmp_path, [stage], search(), ablation=plain)
    ended = {
        **findings.results.environment,
        "ended": {"how": "aborted", "why": "the disk is full", "stage": "ablation"},
    }
    aborted = Findings.of(replace(findings.results, environment=ended))
    page = read_page(write_report(aborted, (), tmp_path / "report"))
    box = _section(page, "answer")
    assert box.find("p", **{"class": "headline"})[0].text.startswith("Removing relu lowered")
    assert [title.text for title in box.find("h2")] == ["Not told apart", "Cautions"]
    undecided, cautions = box.find("ul")
    assert undecided.text.strip().startswith("Removing dropout: ")
    assert cautions.find("li")[0].text.startswith("Aborted in the stage ablation")
    assert page.find("p", **{"class": "kind"})[0].find("strong")[0].text == "aborted"


def test_an_unfinished_confirm_names_no_incumbent(tmp_path: Path) -> None:
    stage = confirm_stage()
    sentences = whole_answer(findings_of(tmp_path, [replace(stage, trials=stage.trials[:-2])]))
    assert sentences[0].startswith("trial 30 leads so far in confirm")


def test_stages_that_have_shown_nothing_yet_say_so(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, [stage_of("final", [(without("relu"), [95.0])])])
    assert whole_answer(findings) == ["No answer yet: the stages have begun, but none has a result."]
    write_report(findings, (), tmp_path / "report")


@pytest.mark.parametrize(
    "values",
    [
        ([], []),
        ([Status.RUNNING], [Status.RUNNING]),
        ([1.0], [2.0]),
        ([Status.FAILED] * 2, [2.0] * 2),
        ([95.0] * 3, [95.0] * 3),
    ],
    ids=["nothing", "running", "one pair", "every pair lost", "identical"],
)
def test_an_ablation_at_any_point_has_a_page(values: tuple[list[Outcome], list[Outcome]], tmp_path: Path) -> None:
    rows = list(zip(ablation_stage().arms[:2], values, strict=True))
    page = read_page(write_report(findings_of(tmp_path, [stage_of("ablation", rows)]), (), tmp_path / "report"))
    assert "Removing relu" in _section(page, "answer").text
    assert len(_section(page, "ablation").rows()) == 1


def test_stages_without_a_search_leave_its_sections_out(tmp_path: Path) -> None:
    findings = factorial(tmp_path)
    page = read_page(write_report(findings, (), tmp_path / "report"))
    assert findings.ablation is not None
    assert whole_answer(findings) == [effect.verdict for effect in findings.ablation.effects]
    assert not page.find("section", id="best")
    assert "#best" not in [link.attributes.get("href") for link in page.find("a")]


@pytest.mark.parametrize(
    ("build", "drawn"),
    [
        (staged, ["forest", "paired_seeds", "mean_learning_curves", "labelled_sets", *SEARCH]),
        (factorial, ["forest", "interactions", "mean_learning_curves"]),
        (stepped, ["forest", "path", "paired_seeds", "mean_learning_curves", *SEARCH]),
    ],
)
def test_each_design_has_its_figures(build: Callable[[Path], Findings], drawn: list[str], tmp_path: Path) -> None:
    page = read_page(write_report(build(tmp_path), (), tmp_path / "report"))
    assert list(_figures(page)) == drawn
    for figure in page.find("figure"):
        caption = figure.find("figcaption")[0].text
        assert "validation data" in caption
        assert re.search(r"n = \d+ ", caption)
        assert figure.find("details")[0].rows()


def test_the_forest_draws_the_margin_and_what_holm_decided(page: Element) -> None:
    forest = _figures(page)["forest"]
    names = {trace["name"]: trace for trace in forest["data"]}
    assert len(names["lower (Holm p < 0.05)"]["x"]) == 3
    assert len(names["Holm p ≥ 0.05"]["x"]) == 1
    assert names["Holm p ≥ 0.05"]["marker"]["symbol"] == "circle-open"
    (margin,) = [shape for shape in forest["layout"]["shapes"] if shape["type"] == "rect"]
    assert (margin["x0"], margin["x1"]) == (-0.5, 0.5)


def test_no_whisker_of_the_forest_contradicts_the_words_on_equivalence(tmp_path: Path, page: Element) -> None:
    rows = evidence_data.differences(staged(tmp_path))
    assert rows["equivalence low"].notna().all()
    for row in rows.to_dict("records"):
        inside = max(-row["equivalence low"], row["equivalence high"]) < 0.5
        assert inside == ("smaller than ±0.5 pp" in row["verdict"])
    traces = {trace["name"]: trace for trace in _figures(page)["forest"]["data"]}
    drawn = traces["equivalence interval"]
    ends = [at + up for at, up in zip(drawn["x"], drawn["error_x"]["array"], strict=True)]
    assert ends == pytest.approx(list(rows["equivalence high"]))
    assert "inside the margin exactly where" in page.find("figcaption", id="caption-forest")[0].text
    picture = (write_report(staged(tmp_path), (), tmp_path / "report").parent / "figures" / "forest.svg").read_text()
    assert picture.count(f'stroke="{theme.GREEN}"') == len(rows)


def test_figures_of_ties_and_of_two_runs_are_drawn_without_an_interval(tmp_path: Path) -> None:
    arms = [arm_of(BASELINE), arm_of("optimizer.lr", reference=BASELINE, edits={"optimizer.lr": 1})]
    for number, values in enumerate(([[90.0] * 3, [91.0] * 3], [[90.0, 91.0], [91.0, 92.0]])):
        stage = stage_of("ablation", list(zip(arms, values, strict=True)), design="path", path=["optimizer.lr"])
        findings = findings_of(tmp_path / str(number), [stage], search(), ablation={"seeds": 3, "design": "path"})
        page = read_page(write_report(findings, (), tmp_path / f"report{number}"))
        assert {"forest", "path", "mean_learning_curves"} <= set(_figures(page))
        shown = (tmp_path / f"report{number}" / "README.md").read_text(encoding="utf-8")
        picture = (tmp_path / f"report{number}" / "figures" / "forest.svg").read_text(encoding="utf-8")
        assert not re.search(r"\bnan\b", shown + picture)
        assert "91.00 to 91.00" not in shown


def test_two_seeds_of_confirm_name_the_incumbent_with_its_figures_and_no_interval(tmp_path: Path) -> None:
    stage = stage_of("confirm", [(arm_of("trial 30", "best"), [95.0, 94.0]), (arm_of("trial 33"), [93.0, 93.5])])
    findings = findings_of(tmp_path, [stage], confirm={"top": 2, "seeds": 2}, ablation=None, final=None)
    assert whole_answer(findings)[0].startswith(
        "The incumbent is trial 30: validation accuracy 94.50 % (n = 2 seeds: 95.00 % and 94.00 %, too few for an "
        "interval), on fresh seeds and splits: the figure by which it was chosen, the best of 2, and so optimistic"
    )


def test_an_ablation_of_two_pairs_is_answered_with_a_caution(tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), [95.0, 94.0]), (without("relu"), [88.0, 87.5])]
    findings = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")], confirm=None, final=None)
    assert "Caution: n = 2 hardly shows a spread, so run more seeds" in whole_answer(findings)[0]


def test_collapsed_runs_are_counted_in_the_tables_and_told_in_the_answer(tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), draws(95.0)), (without("relu"), [*draws(94.0, 5), 10.0])]
    plain = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")], confirm=None, final=None)
    data = {"workload": {"chance": {"val_accuracy": 10.0}, "percentages": ["accuracy"]}}
    findings = Findings.of(replace(plain.results, environment={**plain.results.environment, **data}))
    assert "1 of its 6 runs collapsed: at chance level, where the others are not." in whole_answer(findings)[0]
    assert findings.ablation is not None
    assert list(levels_table(findings.ablation.levels)["collapsed"]) == [0, 1]
    (row,) = checks_table(findings.ablation.comparisons).to_dict("records")
    assert (row["diverged"], row["collapsed"]) == (0, 1)
    assert row["without diverged and collapsed"].value == pytest.approx(-1, abs=0.5)
    assert (row["equivalence p"] > 0.05, row["equivalence interval"]) == (True, None)
    (tidy,) = ablation_frame(findings).to_dict("records")
    assert (tidy["collapsed"], tidy["diverged"]) == (1, 0)


def test_the_pairs_are_one_line_per_seed(page: Element) -> None:
    lines = [value for trace in _figures(page)["paired_seeds"]["data"] for value in trace["y"]]
    assert lines.count(None) == 6 + 5 + 6


def test_every_table_is_written_in_three_formats(tmp_path: Path) -> None:
    write_report(staged(tmp_path), (), tmp_path / "report")
    files = {path.name for path in (tmp_path / "report" / "tables").iterdir()}
    assert {name.partition(".")[0] for name in files} <= set(NAMES)
    for name in ("ablation", "ablation_checks", "ablation_retuned", "confirmed", "test", "shifts", "stages", "ends"):
        assert {f"{name}.csv", f"{name}.md", f"{name}.tex"} <= files


def test_latex_rows_have_a_cell_for_each_column_and_nothing_that_latex_would_run(tmp_path: Path) -> None:
    rows = [*((arm, [1.0, 2.0]) for arm in ablation_stage().arms[:1]), (without(HOSTILE), [3.0, 4.5])]
    write_report(findings_of(tmp_path, [stage_of("ablation", rows)]), (), tmp_path / "report")
    text = (tmp_path / "report" / "tables" / "ablation.tex").read_text(encoding="utf-8")
    lines = text.splitlines()
    kinds = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[1])
    assert kinds is not None
    body = [line for line in lines if line.endswith(r" \\")]
    assert [len(re.findall(r"(?<!\\)&", line)) for line in body] == [len(kinds[1]) - 1] * 2
    assert text.count(r"\end{tabular}") == 1
    assert r"\textbackslash{}end\{tabular\}" in text
    assert text.isascii()


def test_intervals_have_columns_of_their_own_in_the_csv_file(tmp_path: Path) -> None:
    write_report(staged(tmp_path), (), tmp_path / "report")
    with (tmp_path / "report" / "tables" / "ablation.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["difference low"]) < float(row["difference"]) < float(row["difference high"]) < 0


def test_a_table_and_a_picture_that_are_no_longer_made_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    report = tmp_path / "report"
    write_report(staged(tmp_path), (), report)
    (report / "tables" / "own_notes.csv").write_text("mine", encoding="utf-8")
    write_report(findings_of(tmp_path, [confirm_stage()]), (), report)
    names = {path.name for path in report.rglob("*")}
    assert "own_notes.csv" in names
    assert "confirmed.csv" in names
    assert not names & {"ablation.csv", "ablation.tex", "shifts.md", "forest.svg"}


@pytest.mark.parametrize("build", [staged, factorial, stepped])
def test_the_summary_shows_small_pictures_that_are_there(build: Callable[[Path], Findings], tmp_path: Path) -> None:
    write_report(build(tmp_path), (), tmp_path / "report")
    text = (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\((figures/[a-z]+\.svg)\)", text)
    assert {Path(name).name for name in shown} == {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    for name in shown:
        picture = tmp_path / "report" / name
        assert picture.stat().st_size < 60_000
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(picture).iter()}
        assert tags <= {"svg", "title", "rect", "line", "circle", "text"}


def test_the_path_is_drawn_as_a_picture_too(tmp_path: Path) -> None:
    write_report(stepped(tmp_path), (), tmp_path / "report")
    assert "+2.97 pp" in (tmp_path / "report" / "figures" / "path.svg").read_text(encoding="utf-8")


def test_hostile_names_of_arms_stay_text_on_page_summary_and_pictures(tmp_path: Path) -> None:
    rows = [(ablation_stage().arms[0], [1.0, 2.0]), (without(HOSTILE), [3.0, 4.5])]
    page = read_page(write_report(findings_of(tmp_path, [stage_of("ablation", rows)]), (), tmp_path / "report"))
    assert "<svg onload=alert(1)>" in _section(page, "ablation").text
    assert not page.find("svg")
    assert "<svg onload" not in (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    ElementTree.parse(tmp_path / "report" / "figures" / "forest.svg")


def test_the_cost_is_told_by_stage_and_a_cached_run_costs_nothing(tmp_path: Path) -> None:
    results = staged(tmp_path).results
    costs = stage_costs(results)
    assert list(costs) == ["search", "confirm", "ablation", "final"]
    assert (costs["confirm"].cached, costs["confirm"].epochs) == (1, 14 * 9)
    assert costs["confirm"].total == pytest.approx(14 * 9 / 60)
    assert sum(cost.total for cost in costs.values()) == pytest.approx(cost_of(results).total)


def test_runs_of_every_stage_that_did_not_complete_are_listed(tmp_path: Path) -> None:
    failed = next(end for end in ends(staged(tmp_path).results) if end.status == "failed")
    assert [(reason.stage, reason.trials) for reason in failed.reasons] == [
        ("ablation", "15 (batch_norm, replicate 3)"),
        ("search", "40"),
    ]


def test_the_openings_of_the_test_set_are_in_the_provenance(page: Element) -> None:
    assert "opened 3 times" in _section(page, "provenance").text
    openings = _section(page, "test").find("table")[-1]
    assert "sweep final demo" in openings.text or "sweep final demo" in _section(page, "test").text


def test_importances_of_two_methods_have_their_bootstrap_intervals(tmp_path: Path) -> None:
    shares, low, high = {"optimizer.lr": 0.6}, {"optimizer.lr": 0.4}, {"optimizer.lr": 0.9}
    importances = [Importance(name, shares, {}, 14, low, high) for name in ("PED-ANOVA on it", "fANOVA on it")]
    page = read_page(write_report(staged(tmp_path), importances, tmp_path / "report"))
    traces = _figures(page)["importance"]["data"]
    assert [trace["name"] for trace in traces] == ["PED-ANOVA", "fANOVA"]
    assert traces[0]["error_x"]["array"] == pytest.approx([0.3])
    assert traces[0]["error_x"]["arrayminus"] == pytest.approx([0.2])
    assert "95 % bootstrap interval" in page.find("figcaption", id="caption-importance")[0].text


def test_diverged_runs_are_told_beside_the_test_figure(tmp_path: Path) -> None:
    rows = [(arm, [95.0, 94.0, Status.DIVERGED]) for arm in final_stage().arms[:1]]
    stage = stage_of("final", rows, sets=["test"], openings=[{}], earlier_openings=0)
    sentences = whole_answer(findings_of(tmp_path, [stage]))
    assert "1 of 3 runs diverged and count at chance level" in sentences[0]
    assert sentences[1] == "This test set has been opened once, by this study."
