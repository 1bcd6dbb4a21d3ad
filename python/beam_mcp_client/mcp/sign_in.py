"""A person's consent in the browser of this machine: where it comes back to, and how it is waited for."""

from __future__ import annotations

import contextlib
import http.server
import threading
import webbrowser
from collections.abc import Callable, Generator
from queue import Empty, SimpleQueue

PAGE = b"<!doctype html><title>signed in</title><p>This window can be closed."
LONGEST_S = 300.0
IDLE_S = 5.0
"""Longest silence of one connection: browsers open some that they do not use."""
POLL_S = 0.1


class SignIn:
    """Waits on a free port of this machine for one browser to come back.

    `redirect_uri` goes into `OAuth`; `answer` answers the question `authorize`.
    """

    def __init__(self, show: Callable[[str], object] = print, *, browser: bool = True) -> None:
        self._show = show
        self._browser = browser
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_port}/callback"

    def answer(self, url: str) -> str | None:
        """Shows the page, and gives the URL the browser was sent back to; `None` when it took too long."""
        with self._server.listening() as came_back:
            self._show(url)
            if self._browser and url.startswith(("https://", "http://")):
                webbrowser.open(url)
            try:
                path = came_back.get(timeout=LONGEST_S)
            except Empty:
                return None
        return self.redirect_uri.removesuffix("/callback") + path

    def close(self) -> None:
        """Gives the port back."""
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    """Answers each connection in a thread of its own, so that an idle one keeps nobody waiting."""

    came_back: SimpleQueue[str]

    @contextlib.contextmanager
    def listening(self) -> Generator[SimpleQueue[str]]:
        """For the time of the `with`, the paths that a browser comes back with."""
        self.came_back = SimpleQueue()
        thread = threading.Thread(target=self.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        try:
            yield self.came_back
        finally:
            self.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Takes the one request that comes back from the sign-in page."""
        is_it = self.path.startswith("/callback?")
        try:
            self._page(is_it)
        finally:
            if is_it:  # after the page: the program may end with it
                self.server.came_back.put(self.path)

    def _page(self, is_it: bool) -> None:
        self.send_response(200 if is_it else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE if is_it else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing: the path holds a code."""
