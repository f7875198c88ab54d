"""Drive Chromium over the pipe of its DevTools protocol, which needs no library."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LONGEST_S = 240  # a browser that is silent for so long is ended, so that no test waits for ever
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--remote-debugging-pipe")


class Tab:
    """A tab of a browser.

    Attributes:
        problems: What the console has complained about so far: errors, warnings, uncaught exceptions.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, os.fdopen(from_browser, "rb")
        self._sent, self._session = 0, ""
        self.problems: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        answer = self._ask(method, **parameters)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return the whole answer."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._sent:
            pass
        return answer

    def open(self, page: Path, fragment: str = "", width: int = 1200, *, dark: bool = False) -> None:
        """Open a page and wait until it has loaded, with its scripts run."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        # By way of an empty page, for the same page with another fragment is not loaded again.
        for address in ("about:blank", page.as_uri() + (f"#{fragment}" if fragment else "")):
            self.call("Page.navigate", url=address)
            while self._address() != address:
                pass
        loaded = "document.readyState === 'complete' ? go() : addEventListener('load', () => go())"
        self.run(f"new Promise((go) => {loaded})")

    def _address(self) -> str:
        """The address of the document at hand; empty in between two."""
        result = self._ask("Runtime.evaluate", expression="location.href", returnByValue=True).get("result", {})
        return str(result.get("result", {}).get("value", ""))

    def run(self, script: str) -> Any:
        """Return the value of an expression, or of the promise that it gives."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and release a key of the keyboard: "Tab", "Enter"."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=codes[key], **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=codes[key])

    def mouse(self, *places: tuple[float, float]) -> None:
        """Press the mouse at the first place in the window, move through the others, and release it at the last."""
        for kind, (x, y) in (("mouseMoved", places[0]), ("mousePressed", places[0])):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        for x, y in places[1:]:
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        x, y = places[-1]
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)

    def _next(self) -> dict[str, Any]:
        """The next message of the browser."""
        text = bytearray()
        while (letter := self._from.read(1)) != b"\0":
            assert letter, "the browser has ended"
            text += letter
        message: dict[str, Any] = json.loads(text)
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        elif message.get("method") == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.problems.append(json.dumps(parameters["args"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(json.dumps(parameters["entry"]))
        return message


@contextmanager
def browser_tab(profile: Path) -> Iterator[Tab]:
    """A tab of a new browser, which ends with the context."""
    assert BROWSER is not None
    (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
    # The browser reads at descriptor 3 and writes at 4, which may be taken here.
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, from_write))
    command = [BROWSER, *_FLAGS, f"--user-data-dir={profile}"]

    def place_pipes() -> None:
        os.dup2(read, 3)
        os.dup2(write, 4)

    process = subprocess.Popen(command, preexec_fn=place_pipes, pass_fds=(3, 4), stderr=subprocess.DEVNULL)
    for end in (to_read, from_write, read, write):
        os.close(end)
    overdue = threading.Timer(LONGEST_S, process.kill)
    overdue.start()
    try:
        tab = Tab(to_write, from_read)
        yield tab
        tab.call("Browser.close")
    finally:
        overdue.cancel()
        process.wait(timeout=30)
