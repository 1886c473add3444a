"""A real browser without a window: Debian's Chromium, driven by its own protocol."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from schedune_testing.debian import packages

_PACKAGES: Final = ("chromium-headless-shell", "fonts-dejavu-core", "fontconfig-config")
_PROGRAM: Final = "usr/lib/chromium/chromium-headless-shell"
_START_S: Final = 60.0
_ANSWER_S: Final = 30.0


class Browser:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self.console: list[str] = []
        """What pages, and the browser about them, said on the console."""
        self.requests: list[str] = []
        """Addresses that pages asked for."""

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order, and return what came of it."""
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            told = await self._receive()
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])

    async def _receive(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((await self._socket.receive(_ANSWER_S)).data)
        match told.get("method"):
            case "Log.entryAdded":
                self.console.append(str(told["params"]["entry"]["text"]))
            case "Network.requestWillBeSent":
                self.requests.append(str(told["params"]["request"]["url"]))
        self._events.append(told)
        return told

    async def go(self, url: str) -> None:
        """Open a page, and return when it is there whole."""
        self._events.clear()
        result = await self.send("Page.navigate", url=url)
        assert not result.get("errorText"), result
        await self._loaded()

    async def _loaded(self) -> None:
        while not any(one.get("method") == "Page.loadEventFired" for one in self._events):
            await self._receive()

    async def click(self, text: str) -> None:
        """Follow the first link, or press the first button, of this text."""
        self._events.clear()
        asked = json.dumps(text)
        found = await self.evaluate(
            "(() => { const all = [...document.querySelectorAll('a, button')];"
            f" const one = all.find(e => e.textContent.trim() === {asked});"
            " if (!one) return false; setTimeout(() => one.click(), 0); return true; })()"
        )
        assert found, f"nothing to click says {text!r}"
        await self._loaded()

    async def evaluate(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        told = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def text(self) -> str:
        """Return what a reader sees."""
        return str(await self.evaluate("document.body.innerText"))

    async def picture(self, path: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Write what a reader sees, the whole page."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        await self.send("Emulation.setDeviceMetricsOverride", **size)
        await self.send("Emulation.setScrollbarsHidden", hidden=True)  # they would cut off the edge
        told = await self.send("Page.captureScreenshot", captureBeyondViewport=True)
        await self.send("Emulation.setScrollbarsHidden", hidden=False)
        path.write_bytes(base64.b64decode(told["data"]))


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browser]:
    """Run a browser that keeps everything in a folder, as long as the context lasts."""
    tree = packages("chromium", _PACKAGES)
    argv = [
        str(tree.program(_PROGRAM)), "--no-sandbox", "--disable-gpu",
        "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run",
        "--disable-background-networking", "about:blank",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *argv, env=tree.environment(), stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    drain: asyncio.Task[bytes] | None = None
    try:
        assert process.stderr is not None
        port = await _port(process.stderr)
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tab = next(one for one in await answer.json() if one["type"] == "page")
            address = tab["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=2**27) as socket:
                browser = Browser(socket)
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await browser.send(f"{domain}.enable")
                yield browser
    finally:
        process.kill()
        await process.wait()
        if drain is not None:
            await drain


async def _port(stderr: asyncio.StreamReader) -> int:
    """Read the port from the line in which the browser tells it."""
    told = b""
    async with asyncio.timeout(_START_S):
        while line := await stderr.readline():
            told += line
            found = re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            if found:
                return int(found[1])
    raise AssertionError(f"the browser did not start: {told.decode(errors='replace')[-800:]}")
