"""A real browser without a window, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 60
BINARY = 2
"""The opcode of a WebSocket frame whose payload the protocol gives in base64."""


class Page:
    """The one page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.received = b""
        """What the page's own socket was sent: the console draws on a canvas."""

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its answer; what happens meanwhile is passed over."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await asyncio.wait_for(self._socket.receive_json(), PATIENCE)
            if answer.get("method") == "Network.webSocketFrameReceived":
                frame = answer["params"]["response"]
                binary = frame["opcode"] == BINARY
                data = frame["payloadData"]
                self.received += base64.b64decode(data) if binary else data.encode()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression is on this page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the page go on until something is true of it."""
        for _ in range(10 * PATIENCE):
            if condition():
                return
            await self.value("0")  # its events come with the answer
            await asyncio.sleep(0.1)
        raise AssertionError(self.received[-2000:])

    async def press(self, key: str) -> None:
        """Press a key that has a character, after a click on the title takes the focus."""
        place = {"x": 300, "y": 8, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, **place)
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[Page]:
    """A browser with one page open."""
    with tempfile.TemporaryDirectory() as profile:
        process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,900",
             "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with aiohttp.ClientSession() as session:
                found = await _page(session, Path(profile) / "DevToolsActivePort")
                async with session.ws_connect(found, max_msg_size=0) as socket:
                    page = Page(socket)
                    await page.call("Network.enable")
                    await page.call("Page.navigate", url=url)
                    yield page
        finally:
            process.terminate()
            process.wait(PATIENCE)


async def _page(session: aiohttp.ClientSession, port_file: Path) -> str:
    """Where the page is driven, once the browser is up."""
    for _ in range(10 * PATIENCE):
        if port_file.exists() and port_file.read_text().count("\n"):
            port = port_file.read_text().split()[0]
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.1)
    raise AssertionError("the browser did not come up")
