"""What makes the page readable: explained words, figures that do not break, tables on phones, print and provenance."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sweeps.report.data import ReportData
from sweeps.report.reading.glossary import TERMS, Term
from sweeps.report.reading.prose import set_page
from sweeps.report.tables.catalogue import confirmed_tables, final_tables
from sweeps.report.tables.frames import provenance_table
from sweeps.report.tables.interval import plain
from sweeps.report.write import write_report

from .conftest import ENVIRONMENT
from .reading import Element, read_page
from .staged import SETS, staged
from .test_browser import BROWSER, _rendered

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a study with every stage."""
    folder = tmp_path_factory.mktemp("written")
    return write_report(staged(folder), (), folder / "report")


@pytest.fixture(scope="module")
def page(written: Path) -> Element:
    return read_page(written)


def test_words_are_explained_once_in_each_section_and_each_explanation_is_on_the_page(page: Element) -> None:
    explanations = {each.attributes["id"] for each in page.find("div") if "popover" in each.attributes}
    for section in page.find("section"):
        opened = [each.attributes["popovertarget"] for each in section.find("button", **{"class": "term"})]
        assert len(opened) == len(set(opened)), section.attributes
        assert set(opened) <= explanations
    assert {"term-holm", "term-arm", "term-incumbent", "term-macs", "term-d_z", "term-sign-flip"} <= explanations
    assert "term-detectable" in explanations


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.key)
def test_each_explanation_names_a_heading_of_the_documentation(term: Term) -> None:
    text = (REPOSITORY / term.page).read_text(encoding="utf-8")
    assert re.search(rf"^#+ {re.escape(term.heading)}$", text, re.MULTILINE)
    assert " " not in term.link


def test_code_links_and_titles_stay_as_they_are() -> None:
    source = '<section><h2>The arm</h2><a href="#arm">arm</a><pre><code>-1 arm 5 %</code></pre><p>an arm</p></section>'
    text, terms = set_page(source)
    assert [term.key for term in terms] == ["arm"]
    assert text.startswith(source.partition("<p>")[0])
    assert text.count("<button") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is 98.11 % of", 'is <span class="nb">98.11 %</span> of'),
        ("by -7.1 pp.", 'by <span class="nb">\u22127.1 pp</span>.'),
        ("with p = 0.047 and n = 3", 'with <span class="nb">p = 0.047</span> and <span class="nb">n = 3</span>'),
        ("p &lt; 0.0001", '<span class="nb">p &lt; 0.0001</span>'),
        ("from -0.2 to 0.3", "from \u22120.2 to 0.3"),
        ("2026-03-01, 1e-5, sha-1, a/-1", "2026-03-01, 1e-5, sha-1, a/-1"),
    ],
)
def test_figures_keep_their_units_and_minus_signs_are_real(text: str, expected: str) -> None:
    assert set_page(f"<p>{text}</p>")[0] == f"<p>{expected}</p>"


def test_a_cell_breaks_before_its_interval_only() -> None:
    cell = set_page("<tbody><tr><td>-7.10 pp [-8.00, -6.20]</td></tr></tbody>")[0]
    assert '<td><span class="nb">\u22127.10 pp</span> <span class="nb">[\u22128.00, \u22126.20]</span></td>' in cell
    settings = "<tbody><tr><td>lr: 0.1, model.blocks: [1, 1]</td></tr></tbody>"
    assert set_page(settings)[0] == settings


def test_zero_has_no_sign_in_a_column_without_unit() -> None:
    assert plain(-0.001) == "0.00"
    assert plain(-0.01) == "-0.01"


def test_further_sets_have_a_row_for_each_set_and_arm_on_the_page_and_a_row_for_each_set_in_the_file(
    tmp_path: Path,
) -> None:
    (table,) = (one for one in final_tables(ReportData(staged(tmp_path))) if one.name == "shifts")
    assert [column.title for column in table.grid.columns] == ["set", "arm", "mean", "from validation"]
    assert len(table.grid.rows) == 4 * (1 + len(SETS))
    assert table.grid.rows[4][:2] == ("test", "baseline")
    assert list(table.data["set"]) == ["validation", *SETS]


def test_the_widest_column_of_the_candidates_is_last_and_columns_of_zeros_are_in_the_file_alone(tmp_path: Path) -> None:
    (table,) = confirmed_tables(staged(tmp_path))
    titles = [column.title for column in table.grid.columns]
    assert not {"diverged", "collapsed", "test seeds"} & set(titles)
    assert {"diverged", "collapsed", "test seeds"} <= set(table.data)


def test_provenance_labels_when_the_last_run_began_and_ended() -> None:
    ended = {"how": "complete", "at": "2026-03-01T11:00:00+00:00"}
    rows = dict(provenance_table({**ENVIRONMENT, "ended": ended}).itertuples(index=False))
    assert rows["started"] == "2026-03-01T09:00:00+00:00"
    assert rows["last run started"] == "2026-03-01T10:00:00+00:00"
    assert rows["last run ended"] == "2026-03-01T11:00:00+00:00"
    assert "updated" not in rows


PROBE = """
<script>
addEventListener("load", () => setTimeout(async () => {
  const seen = await (async () => { %s })();
  const probe = document.createElement("pre");
  probe.id = "probe";
  probe.textContent = JSON.stringify(seen);
  document.body.append(probe);
}, 300));
</script>
"""


def _seen(written: Path, folder: Path, script: str, width: int = 1440) -> Any:
    """What a script sees in a window of a width in pixels. The page's policy, which forbids it, is removed."""
    page = written.read_text(encoding="utf-8").replace("Content-Security-Policy", "none", 1)
    folder.mkdir()
    probed = folder / "page.html"
    probed.write_text(page.replace("</body>", PROBE % script + "</body>"), encoding="utf-8")
    rendered = _rendered(probed, folder, f"--window-size={width},844")
    return json.loads(rendered.find("pre", id="probe")[0].text)


needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")


@needs_browser
def test_contents_are_marked_words_open_copies_are_selected_and_folded_tables_print(
    written: Path, tmp_path: Path
) -> None:
    script = """
    const marked = () => document.querySelector("nav a[aria-current]").textContent;
    const open = () => [...document.querySelectorAll("main details[open]")].length;
    const seen = { first: marked() };
    document.getElementById("ablation").scrollIntoView({ behavior: "instant" });
    dispatchEvent(new Event("scroll"));  // without a screen no frame is made, and no event sent
    seen.scrolled = marked();
    seen.visible = document.querySelector("nav").getBoundingClientRect().top >= 0;
    const term = document.querySelector("#answer .term");
    term.focus();
    term.click();
    seen.focused = document.activeElement === term;
    seen.explained = document.querySelector(":popover-open")?.id === term.getAttribute("popovertarget");
    const before = open();
    dispatchEvent(new Event("beforeprint"));
    const folded = [...document.querySelectorAll("main details:not([open])")];
    seen.folded = folded.filter((one) => !one.closest("figure")).length;
    seen.unfolded = open() > before;
    dispatchEvent(new Event("afterprint"));
    seen.restored = open() === before;
    document.querySelector("button.copy").click();
    await new Promise((done) => setTimeout(done, 200));
    seen.label = document.querySelector("button.copy").textContent;
    seen.selected = getSelection().toString().trim() === document.getElementById("recipe").textContent.trim();
    return seen;
    """
    seen = _seen(written, tmp_path / "probe", script)
    assert (seen["first"], seen["scrolled"], seen["visible"]) == ("Answer", "Ablation", True)
    assert seen["focused"]
    assert seen["explained"]
    assert (seen["folded"], seen["unfolded"], seen["restored"]) == (0, True, True)
    assert seen["label"] == "Copied" or seen["selected"]


@needs_browser
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways_but_tables_that_say_so(width: int, written: Path, tmp_path: Path) -> None:
    script = """
    const page = document.documentElement;
    const wide = [...document.querySelectorAll("table.stacks")].filter((one) => one.offsetWidth)
      .filter((one) => one.parentElement.scrollWidth > one.parentElement.clientWidth + 1);
    return { over: page.scrollWidth - page.clientWidth, width: page.clientWidth, wide: wide.length };
    """
    seen = _seen(written, tmp_path / "probe", script, width)
    assert seen["over"] == 0
    if seen["width"] <= 640:
        assert seen["wide"] == 0
