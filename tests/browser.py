"""A real Chromium for tests, driven over its DevTools protocol: `chromium` opens pages that click, type, read
and take pictures. Protocol: https://chromedevtools.github.io/devtools-protocol/"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip
KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "ArrowDown": (40, ""), "Backspace": (8, "")}
PATIENCE = 30.0  # seconds


def chromium_path() -> str | None:
    """Where Chromium is, if anywhere."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Connection:
    """One DevTools connection: numbered calls, and the events that nobody asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.listeners: list[Any] = []
        self._reader = asyncio.create_task(self._read())

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The answer to one command; `RuntimeError` with Chromium's words where it refuses."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        return await asyncio.wait_for(answer, PATIENCE)

    async def _read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            waiting = self._waiting.pop(content.get("id", 0), None)
            if waiting is None:
                for listener in self.listeners:
                    listener(content)
            elif not waiting.done() and "error" in content:
                waiting.set_exception(RuntimeError(content["error"]["message"]))
            elif not waiting.done():
                waiting.set_result(content["result"])

    async def close(self) -> None:
        await self._socket.close()
        await self._reader


class Page:
    """One tab. Selectors are CSS; `text` narrows them to elements that hold it."""

    def __init__(self, connection: Connection, session: str) -> None:
        self._connection = connection
        self._session = session
        self.errors: list[str] = []
        connection.listeners.append(self._note)

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("sessionId") == self._session and event["method"] == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._connection.call(method, self._session, **params)

    async def goto(self, url: str) -> None:
        """Open an address. Returns before the page has loaded: wait for what you need."""
        await self._call("Page.navigate", url="about:blank")  # an address that differs in its fragment only
        await self._call("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = await self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", script))
        return answer["result"].get("value")

    async def until(self, script: str, patience: float = PATIENCE) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        try:
            async with asyncio.timeout(patience):
                while not (value := await self.evaluate(script)):
                    await asyncio.sleep(0.03)
        except TimeoutError:
            seen = await self.evaluate("document.body.innerText")
            raise AssertionError(f"never true: {script}\nthe page shows:\n{seen}") from None
        return value

    async def see(self, text: str, within: str = "body", patience: float = PATIENCE) -> None:
        """Wait until the text can be read."""
        found = f"[...document.querySelectorAll({json.dumps(within)})]"
        await self.until(f"{found}.some(e => e.innerText.includes({json.dumps(text)}))", patience)

    async def find(self, selector: str, patience: float = PATIENCE) -> None:
        """Wait until there is such an element."""
        await self.until(f"Boolean(document.querySelector({json.dumps(selector)}))", patience)

    async def read(self, selector: str) -> str:
        """The text of the first such element; empty where there is none."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def click(self, selector: str, text: str = "", *, button: str = "left") -> None:
        """Click the middle of the last such element that can be seen and is not disabled."""
        script = f"""(() => {{
            const usable = e => e.checkVisibility() && !e.disabled && e.ariaDisabled !== "true";
            const named = e => usable(e) && e.innerText.includes({json.dumps(text)});
            const found = [...document.querySelectorAll({json.dumps(selector)})].filter(named).at(-1);
            if (!found) return null;
            found.scrollIntoView({{block: "nearest"}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = await self.until(script)
        for kind in ("mousePressed", "mouseReleased"):
            await self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    async def focus(self, selector: str) -> None:
        """Click into a field until it has the focus, which a page that is still settling takes away again."""
        for _ in range(100):
            await self.click(selector)
            await asyncio.sleep(0.1)
            if await self.evaluate(f"!!document.activeElement?.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"{selector} does not keep the focus")

    async def see_focus(self, selector: str) -> None:
        """Wait until a field has the focus."""
        await self.until(f"!!document.activeElement?.matches({json.dumps(selector)})")

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self._call("Input.insertText", text=text)

    async def fill(self, selector: str, text: str) -> None:
        """Type into a field that has the focus or is about to get it, until the page has taken the text: one that is
        still settling draws its fields anew, and what was typed before is gone."""
        value = f"document.querySelector({json.dumps(selector)})?.value"
        for _ in range(40):
            await self.see_focus(selector)
            if await self.evaluate(value) != text:
                await self.type(text)
            await asyncio.sleep(0.25)
            if await self.evaluate(value) == text:
                return
        raise AssertionError(f"{selector} does not keep what is typed")

    async def press(self, key: str) -> None:
        """Press a key of `KEYS`."""
        code, typed = KEYS[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self._call("Input.dispatchKeyEvent", type="keyDown", text=typed, **common)
        await self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def rest(self) -> None:
        """Move the mouse to where it points at nothing, and take the focus from whatever has it."""
        await self._call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        await self.evaluate("document.activeElement?.blur()")

    async def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Give the page a size in CSS pixels, each of `scale` pixels of the screen."""
        await self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    async def screenshot(self, path: Path) -> Path:
        """A PNG of what the window shows."""
        await self.evaluate("document.fonts.ready.then(() => null)")
        picture = await self._call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(picture["data"]))
        return path


class Chromium:
    """A browser with nothing in its profile."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, url: str = "about:blank", *, width: int = 1280, height: int = 800) -> Page:
        """A new tab."""
        target = await self._connection.call("Target.createTarget", url="about:blank")
        attached = await self._connection.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        page = Page(self._connection, attached["sessionId"])
        for domain in ("Page", "Runtime"):
            await self._connection.call(f"{domain}.enable", attached["sessionId"])
        await page.resize(width, height)
        if url != "about:blank":
            await page.goto(url)
        return page


async def _endpoint(profile: Path) -> str:
    noted = profile / "DevToolsActivePort"
    async with asyncio.timeout(3 * PATIENCE):
        while not noted.exists() or len(lines := noted.read_text().split()) < 2:
            await asyncio.sleep(0.05)
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"


@pytest_asyncio.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Chromium]:
    """A headless Chromium; the test is skipped where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    async with running(path, tmp_path / "chromium") as browser:
        yield browser


@asynccontextmanager
async def running(path: str, profile: Path) -> AsyncIterator[Chromium]:
    """A headless Chromium with a profile of its own, until the end of the block."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        path, *ARGUMENTS, f"--user-data-dir={profile}", "about:blank", stdout=quiet, stderr=quiet
    )
    try:
        async with aiohttp.ClientSession() as session:
            socket = await session.ws_connect(await _endpoint(profile), max_msg_size=0)
            connection = Connection(socket)
            yield Chromium(connection)
            await connection.close()
    finally:
        process.terminate()
        await process.wait()
