"""The page in a real browser: its figures are drawn under its own policy, and foreign strings stay text."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.report import Importance, theme, write
from sweeps.report.findings import Findings
from sweeps.report.folder import write_report
from sweeps.results import Results
from sweeps.trial import Status

from .conftest import trial_of
from .reading import Element, read_page
from .staged import factorial, staged, stepped

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")

SPELL = "document.title='owned'"
HOSTILE = [
    f"</script><script>{SPELL}</script>",
    f'"><img src=x onerror="{SPELL}">',
    f"<svg onload={SPELL}>",
    f'<a href="javascript:{SPELL}">a</a>',
    "{{ 7 * 7 }} %{x} <b>bold</b> &lt;i&gt;",
]


def _rendered(page: Path, profile: Path, *more: str) -> Element:
    """The document after its scripts ran, in a browser with `more` flags."""
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    limits = ["--virtual-time-budget=10000", "--window-size=1200,900", f"--user-data-dir={profile}"]
    done = subprocess.run(
        [BROWSER, *flags, *limits, *more, page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    target = profile / "rendered.html"
    target.write_text(done.stdout, encoding="utf-8")
    return read_page(target)


def _drawn(page: Element) -> list[Element]:
    return [plot for plot in page.find("div", role="img") if plot.find("svg")]


def test_the_policy_lets_every_figure_be_drawn(results: Results, importance: Importance, tmp_path: Path) -> None:
    page = _rendered(write(results, (importance,), tmp_path / "report"), tmp_path)
    assert len(_drawn(page)) == len(page.find("figure")) == 7


@pytest.mark.parametrize(("scheme", "colour"), [("1", theme.VERMILLION), ("0", theme.DARK[theme.VERMILLION])])
def test_figures_take_the_colours_of_the_readers_scheme(
    scheme: str, colour: str, make_results: Callable[..., Results], tmp_path: Path
) -> None:
    written = write(make_results(trial_of(0)), (), tmp_path / "report")
    page = _rendered(written, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    styles = [path.attributes.get("style") or "" for path in _drawn(page)[1].find("path")]
    assert any(f"stroke: rgb({red}, {green}, {blue})" in style for style in styles)


@pytest.mark.parametrize(("build", "count"), [(staged, 11), (factorial, 3), (stepped, 11)])
def test_the_evidences_figures_are_drawn_too(
    build: Callable[[Path], Findings], count: int, importance: Importance, tmp_path: Path
) -> None:
    page = _rendered(write_report(build(tmp_path), (importance,), tmp_path / "report"), tmp_path)
    assert len(_drawn(page)) == len(page.find("figure")) == count


def test_hostile_strings_stay_text_everywhere(make_results: Callable[..., Results], tmp_path: Path) -> None:
    parameters = {text: {"values": [text, "b"]} for text in HOSTILE}
    chosen = dict(zip(HOSTILE, HOSTILE, strict=True))
    trials = [trial_of(number, parameters=chosen) for number in range(3)]
    trials += [trial_of(3 + n, Status.FAILED, parameters=chosen, reason=text) for n, text in enumerate(HOSTILE)]
    results = make_results(
        *trials,
        question=" ".join(HOSTILE),
        metric={"name": HOSTILE[1], "goal": "maximize"},
        parameters=parameters,
        environment={"command": HOSTILE[0], HOSTILE[1]: {"classes": HOSTILE}},
    )
    importance = Importance(HOSTILE[0], dict.fromkeys(HOSTILE, 0.2), dict.fromkeys(HOSTILE, 0.1), trials=3)
    page = _rendered(write(results, (importance,), tmp_path / "report"), tmp_path)
    assert page.find("title")[0].text == "budget_demo: report of a study"
    assert page.find("p", **{"class": "question"})[0].text == " ".join(HOSTILE)
    assert len(_drawn(page)) == 7
    assert not page.find("img")
    assert not page.find("b")
    links = [link.attributes.get("xlink:href") or link.attributes.get("href") or "#" for link in page.find("a")]
    assert all(link.startswith("#") for link in links), links
    drawn = " ".join(text.text for plot in _drawn(page) for text in plot.find("text"))
    assert "<svg onload" in drawn
    assert "%{x} <b>bold</b>" in drawn


def test_the_policy_stops_a_script_that_got_in(make_results: Callable[..., Results], tmp_path: Path) -> None:
    page = write(make_results(trial_of(0)), (), tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", f"<script>{SPELL}</script><img src=x onerror={SPELL}></main>"), "utf-8")
    assert _rendered(page, tmp_path).find("title")[0].text == "budget_demo: report of a study"
