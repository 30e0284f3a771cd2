"""`atft-tui --serve`: the console in a browser on this machine, by textual-serve.

Who can open it can start and stop runs, and other people may be on the same machine: so it listens
on the loopback only, asks for a token that this process has made up, and answers neither pages of
other sites nor names that somebody else's DNS points here. Each visitor gets a console process.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from atft_core.errors import UsageError

LOOPBACK = "127.0.0.1"
OURS = ("127.0.0.1", "localhost", "::1")
"""Names under which a browser may ask for this machine; the port may be that of a tunnel."""
COOKIE = "atft-console-{port}"
"""A browser sends cookies to every port of a host: each console has one of its own name."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'; connect-src 'self' ws:"
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ConsoleServer(Server):
    """A page with the console in it, for whoever has the token."""

    def __init__(self, words: Sequence[str], port: int, token: str) -> None:
        """`words`: the command line of the console that each visitor gets."""
        super().__init__(shlex.join(words), host=LOOPBACK, port=port, title="atft")
        self._token = token

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard())
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Nothing is said before there is something to open."""

    async def listen(self) -> None:
        """Serve until ctrl+c or SIGTERM; a port that cannot be used is a UsageError."""
        runner = web.AppRunner(await self._make_app())
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, self.port).start()
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"Port {self.port} cannot be used: {error}.", hint="Name another: --serve PORT"
            ) from error
        sys.stdout.write(
            f"The console: {self.public_url}/?token={self._token}\n"
            f"  for this machine only; elsewhere: ssh -L {self.port}:{LOOPBACK}:{self.port} HOST\n"
            "  ctrl+c ends it; runs go on\n"
        )
        sys.stdout.flush()
        await _asked_to_end()
        await runner.cleanup()

    async def handle_index(self, request: web.Request) -> Any:
        """The page; its addresses are those under which it was asked for, as through a tunnel."""
        self.public_url = f"http://{request.host}"
        return await super().handle_index(request)

    def _guard(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if _name(request.host) not in OURS or _foreign(request):
                raise web.HTTPForbidden(text="This console answers to its own page only.\n")
            if self._knows(request.query.get("token", "")):
                welcome = web.HTTPFound("/")  # the token is in no address bar and in no history
                welcome.set_cookie(_cookie(request), self._token, httponly=True, samesite="Strict")
                raise welcome
            if not self._knows(request.cookies.get(_cookie(request), "")):
                raise web.HTTPForbidden(text="Open the address that atft-tui --serve printed.\n")
            answer = await handler(request)
            if not answer.prepared:
                answer.headers["Content-Security-Policy"] = _POLICY
                answer.headers["Referrer-Policy"] = "no-referrer"
            return answer

        return guard

    def _knows(self, token: str) -> bool:
        known = self._token.encode()
        return secrets.compare_digest(token.encode(errors="surrogateescape"), known)


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(request: web.Request) -> str:
    """Named by the port that the browser sees, which may be that of a tunnel."""
    try:
        port = urlsplit(f"//{request.host}").port
    except ValueError:
        port = None
    return COOKIE.format(port=port or 80)


def _foreign(request: web.Request) -> bool:
    """Whether a page of another site is behind a request."""
    origin = request.headers.get("Origin")
    try:
        return origin is not None and urlsplit(origin).netloc != request.host
    except ValueError:
        return True


async def _asked_to_end() -> None:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


def serve(words: Sequence[str], port: int) -> None:
    """Serve until ctrl+c."""
    asyncio.run(ConsoleServer(words, port, secrets.token_urlsafe(24)).listen())
