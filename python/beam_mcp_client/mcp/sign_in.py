"""A person's consent in the browser of this machine: where it comes back to, and how it is waited for."""

from __future__ import annotations

import http.server
import time
import webbrowser
from collections.abc import Callable

PAGE = b"<!doctype html><title>signed in</title><p>This window can be closed."
LONGEST_S = 300.0


class SignIn:
    """Waits on a free port of this machine for one browser to come back.

    `redirect_uri` goes into `OAuth`; `answer` answers the question `authorize`.
    """

    def __init__(self, show: Callable[[str], object] = print, *, browser: bool = True) -> None:
        self._show = show
        self._browser = browser
        self._server = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
        self._server.timeout = 1.0
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}/callback"

    def answer(self, url: str) -> str | None:
        """Shows the page, and gives the URL the browser was sent back to; `None` when it took too long."""
        self._show(url)
        if self._browser and url.startswith(("https://", "http://")):
            webbrowser.open(url)
        _Handler.came_back = None
        until = time.monotonic() + LONGEST_S
        while _Handler.came_back is None and time.monotonic() < until:
            self._server.handle_request()
        path = _Handler.came_back
        return None if path is None else self.redirect_uri.removesuffix("/callback") + path

    def close(self) -> None:
        """Gives the port back."""
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    came_back: str | None = None

    def do_GET(self) -> None:
        """Takes the one request that comes back from the sign-in page."""
        is_it = self.path.startswith("/callback?")
        if is_it:
            _Handler.came_back = self.path
        self.send_response(200 if is_it else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE if is_it else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing: the path holds a code."""
