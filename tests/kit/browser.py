"""A Chromium without a window, asked by its DevTools: what a page fetches, complains of, and looks like."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)


class Tab:
    """One page. `requests`: the addresses that it asked for; `problems`: what its console says."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self.problems: list[str] = []
        self._socket = socket
        self._number = 0
        self._loaded = False

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            said = await self._hear()
            if said.get("id") == self._number:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    async def open(self, path: Path, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Show a file, and wait until it is there as a whole."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.ask(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        phone = width < 600
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self._loaded = False
        await self.ask("Page.navigate", url=path.as_uri())
        while not self._loaded:
            await self._hear()

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript comes to in the page."""
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        answer = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    async def _hear(self) -> dict[str, Any]:
        said: dict[str, Any] = await self._socket.receive_json()
        match said.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])
            case "Log.entryAdded":
                self.problems.append(said["params"]["entry"]["text"])
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                self.problems.append(json.dumps(said["params"]))
            case "Page.loadEventFired":
                self._loaded = True
        return said


@asynccontextmanager
async def opened_tab() -> AsyncIterator[Tab]:
    """A browser of one's own, with one tab; it ends with the block."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
        )
        process = await asyncio.create_subprocess_exec(
            *(CHROMIUM, *flags, f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            while b"DevTools listening on" not in (line := await process.stderr.readline()):
                assert line, "the browser has ended"
            address = line.decode().split("ws://")[1].split("/")[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://{address}/json/list") as answer:
                    (page,) = [each for each in await answer.json() if each["type"] == "page"]
                async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
                    yield Tab(socket)
        finally:
            process.terminate()
            await process.communicate()
