"""A page opened in headless Chromium through its remote-debugging port, with no way to the network.

async with open_page(path) as page:
    assert await page.evaluate("document.title")
"""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
)
LOCAL_SCHEMES = ("file:", "data:", "blob:", "about:")
START_SECONDS = 60.0
STEP_SECONDS = 0.2


def program() -> str | None:
    """The path of a Chromium; None where there is none."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


@dataclass
class Page:
    """An open page and what it said since."""

    socket: Any
    errors: list[str] = field(default_factory=list)
    """Console errors and exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses that are not on this disk."""
    loads: list[str] = field(default_factory=list)
    """The files it loaded."""
    _number: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol. Raises RuntimeError where Chromium refuses it."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.read_message())
            self._note(answer)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _note(self, event: dict[str, Any]) -> None:
        """Keep what an event says that a test asks for."""
        method = event.get("method")
        content = event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = content["exceptionDetails"]
            self.errors.append(str(details.get("exception", {}).get("description", details)))
        elif method == "Runtime.consoleAPICalled" and content["type"] in ("error", "assert"):
            self.errors.append(json.dumps(content["args"]))
        elif method == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.errors.append(content["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            address = content["request"]["url"]
            is_local = address.startswith(LOCAL_SCHEMES)
            (self.loads if is_local else self.requests).append(address[:120])

    async def evaluate(self, script: str) -> Any:
        """The value of an expression of JavaScript. Raises AssertionError where it throws."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = START_SECONDS) -> None:
        """Wait until an expression is true. Raises AssertionError where it never is."""
        for _ in range(round(seconds / STEP_SECONDS)):
            if await self.evaluate(script):
                return
            await asyncio.sleep(STEP_SECONDS)
        raise AssertionError(f"never true: {script}")

    async def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Press the mouse, move it, and let it go."""
        steps = 8
        for kind, part in (("mouseMoved", 0), ("mousePressed", 0)):
            await self._mouse(kind, start, stop, part)
        for step in range(1, steps + 1):
            await self._mouse("mouseMoved", start, stop, step / steps)
            await asyncio.sleep(0.05)
        await self._mouse("mouseReleased", start, stop, 1)

    async def _mouse(
        self, kind: str, start: tuple[float, float], stop: tuple[float, float], part: float
    ) -> None:
        x, y = (a + part * (b - a) for a, b in zip(start, stop, strict=True))
        pressed = {"button": "left", "buttons": 1, "clickCount": 1} if part or "P" in kind else {}
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    async def resize(self, width: int, height: int = 900, *, mobile: bool = False) -> None:
        """Set the size of the window in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    async def prefer(self, scheme: str) -> None:
        """Set the colours that the reader prefers: "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the whole page, or of the window, as PNG."""
        answer = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    async def print(self, path: Path) -> None:
        """Write the page as PDF, as a printer gets it."""
        answer = await self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@asynccontextmanager
async def open_page(path: Path, width: int = 1280) -> AsyncIterator[Page]:
    """Open a file in a Chromium of its own, which is gone afterwards."""
    from tornado.websocket import websocket_connect  # noqa: PLC0415 (for these tests only)

    executable = program()
    assert executable is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [executable, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = await _page_address(Path(profile) / "DevToolsActivePort")
            socket = await websocket_connect(address, max_message_size=2**28)
            page = Page(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            await page.resize(width)
            await page.call("Page.navigate", url=path.resolve().as_uri())
            await page.until("document.readyState == 'complete' && location.protocol == 'file:'")
            yield page
            socket.close()
        finally:
            browser.terminate()
            browser.wait(timeout=30)


async def _page_address(port_file: Path) -> str:
    """The address of the websocket of the first page."""
    for _ in range(round(START_SECONDS / STEP_SECONDS)):
        lines = port_file.read_text().split("\n") if port_file.exists() else []
        if len(lines) > 1:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                targets = json.load(answer)
            for target in targets:
                if target["type"] == "page":
                    return str(target["webSocketDebuggerUrl"])
        await asyncio.sleep(STEP_SECONDS)
    raise AssertionError("Chromium does not open its port")
