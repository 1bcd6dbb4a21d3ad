"""The default transport over real sockets: answers of every shape, faults by name, kept connections."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beam_mcp_client import MCPClient, ValidationError
from beam_mcp_client.http1 import HttpTransport, named
from beam_mcp_client.mcp import MCPConnection
from beam_mcp_client.transport import Abort, Fault, HttpRequest, HttpResponse
from fake_server import Seen, answer, in_turn, serving


def get(**more: object) -> HttpRequest:
    return HttpRequest("GET", "/x", [("accept", "application/json")], **more)  # type: ignore[arg-type]


def exchange(reply: bytes | None, request: HttpRequest | None = None) -> HttpResponse:
    with serving(in_turn(reply)) as server:
        return HttpTransport(server.url).send(request or get(timeout=5.0))


def fault_of(act: Callable[[], object]) -> str:
    with pytest.raises(Fault) as caught:
        act()
    return caught.value.kind


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
def test_bodies_of_every_framing(raw: bytes) -> None:
    response = exchange(raw)
    assert (response.status, response.body) == (200, b"hello")


def test_no_body() -> None:
    assert exchange(b"HTTP/1.1 204 No Content\r\n\r\n").body == b""
    assert exchange(b"HTTP/1.1 304 X\r\ncontent-length: 9\r\n\r\n", get(timeout=2.0)).status == 304


def test_header_names_are_lower_case_and_repeat() -> None:
    response = exchange(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nX-A:  2 \r\n\r\n")
    assert [pair for pair in response.headers if pair[0] == "x-a"] == [("x-a", "1"), ("x-a", "2")]


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (1 << 17),
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello",
    ],
)
def test_broken_answers_are_resets(raw: bytes | None) -> None:
    assert fault_of(lambda: exchange(raw)) == "reset"


def test_a_body_over_the_limit_is_a_fault_or_its_end() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for raw in (answer(200, b"hello"), chunked):
        assert fault_of(lambda raw=raw: exchange(raw, get(max_bytes=4))) == "too_large"  # type: ignore[misc]
        assert exchange(raw, get(max_bytes=5)).body == b"hello"
        assert exchange(raw, get(max_bytes=3, tail=True)).body == b"llo"


def test_a_length_that_no_body_has_is_too_large() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n"
    with serving(in_turn(head)) as server:
        transport = HttpTransport(server.url)
        assert fault_of(lambda: transport.send(get())) == "too_large"
        assert fault_of(lambda: transport.open(get())) == "too_large"


def test_a_large_body_arrives_whole() -> None:
    body = os.urandom(3 << 20)
    assert exchange(answer(200, body)).body == body


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert fault_of(lambda: HttpTransport(f"http://127.0.0.1:{port}").send(get())) == "refused"
    assert (
        fault_of(lambda: HttpTransport("http://no.such.host.invalid").send(get(timeout=5.0)))
        == "unreachable"
    )


def slow(pieces: list[bytes], pause: float) -> Callable[[Seen], bytes]:
    def script(_: Seen) -> bytes:
        time.sleep(pause)
        return b"".join(pieces)

    return script


def test_a_silent_server_is_a_timeout() -> None:
    with serving(slow([], 3)) as server:
        started = time.monotonic()
        assert fault_of(lambda: HttpTransport(server.url).send(get(timeout=0.2))) == "timeout"
        assert time.monotonic() - started < 1


def test_a_dripping_server_is_a_timeout_all_the_same() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        peer, _ = listener.accept()
        with peer:
            for _ in range(100):
                try:
                    peer.sendall(b"H")
                except OSError:
                    return
                time.sleep(0.05)

    threading.Thread(target=drip, daemon=True).start()
    with listener:
        transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
        started = time.monotonic()
        assert fault_of(lambda: transport.send(get(timeout=0.4))) == "timeout"
        assert time.monotonic() - started < 2


def test_connections_are_kept_and_left_when_the_server_says_so() -> None:
    closing = answer(200, b"x", "connection: close")
    with serving(in_turn(answer(200, b"1"), closing, answer(200, b"2"))) as server:
        transport = HttpTransport(server.url)
        assert [transport.send(get()).body for _ in range(4)] == [b"1", b"x", b"2", b"2"]
        transport.close()
    assert [seen.connection for seen in server.seen] == [1, 1, 2, 2]


def test_a_connection_that_ended_while_it_rested_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("beam_mcp_client.wire.FRESH_S", 0.0)
    with serving(lambda _: answer(200, b"x")) as server:
        transport = HttpTransport(server.url)
        transport.send(get())
        server.open[0].shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)
        assert transport.send(get()).body == b"x"
    assert server.connections == 2


def test_many_threads_share_a_transport() -> None:
    with serving(lambda seen: answer(200, seen.path.encode())) as server:
        transport = HttpTransport(server.url)
        wrong: list[str] = []

        def work(number: int) -> None:
            for turn in range(20):
                path = f"/{number}/{turn}"
                if transport.send(HttpRequest("GET", path, [])).body.decode() != path:
                    wrong.append(path)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        transport.close()


def test_an_abort_ends_an_exchange_in_another_thread() -> None:
    with serving(slow([answer(200, b"")], 5)) as server:
        abort = Abort()
        threading.Timer(0.2, abort).start()
        started = time.monotonic()
        assert fault_of(lambda: HttpTransport(server.url).send(get(), abort)) == "reset"
        assert time.monotonic() - started < 2


def test_a_fork_does_not_share_connections() -> None:
    with serving(lambda _: answer(200, b"x")) as server:
        transport = HttpTransport(server.url)
        transport.send(get())
        [line] = transport._idle
        transport._pid -= 1
        transport.send(get())
        line.sock.close()
    assert server.connections == 2


@pytest.mark.parametrize("bad", ["a\r\nx: y", "a\nb", "a\rb", "\u4f8b"])
def test_no_header_is_smuggled(bad: str) -> None:
    with serving(lambda _: answer(200, b"")) as server:
        assert (
            fault_of(lambda: HttpTransport(server.url).send(HttpRequest("GET", "/", [("x", bad)])))
            == "credential"
        )
        assert server.seen == []


def test_pieces_are_streamed_in_order(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"middle" * 100_000)
    with serving(lambda seen: answer(200, str(len(seen.body)).encode())) as server:
        transport = HttpTransport(server.url)
        assert transport.send(HttpRequest("POST", "/", [], [b"<", file, b">"])).body == b"600002"
        assert server.seen[0].body == b"<" + file.read_bytes() + b">"
        gone = HttpRequest("POST", "/", [], [tmp_path / "none"])
        assert fault_of(lambda: transport.send(gone)) == "source"


def test_an_early_refusal_of_an_upload_is_read(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(bytes(32 << 20))
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(1024)
            peer.sendall(answer(413, b"too much", "connection: close"))
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(1 << 16):
                pass

    threading.Thread(target=refuse, daemon=True).start()
    with listener:
        transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert transport.send(HttpRequest("POST", "/", [], [file])).status == 413


def test_the_prefix_of_the_url_stays() -> None:
    with serving(lambda seen: answer(200, seen.path.encode())) as server:
        assert HttpTransport(server.url + "/stage/").send(get()).body == b"/stage/x"
    assert server.seen[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_what_is_beyond_ascii_in_a_url_travels_as_the_standards_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    connect = socket.create_connection

    def resolve(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address[0])
        return connect(("127.0.0.1", address[1]), timeout)

    monkeypatch.setattr(socket, "create_connection", resolve)
    with serving(lambda seen: answer(200, seen.path.encode())) as server:
        transport = HttpTransport(f"http://b\u00fccher.\u4f8b:{server.port}/\u4f8b%20/")
        assert transport.send(get()).body == b"/%E4%BE%8B%20/x"
    assert asked == ["xn--bcher-kva.xn--fsq"]
    assert server.seen[0].headers["host"] == f"xn--bcher-kva.xn--fsq:{server.port}"


NO_ADDRESSES = [
    "ftp://a",
    "http://",
    "http://u:p@a",
    "https://a:99999",
    "https://a:x",
    "https://a..b",
    "https://.a",
    "https://[::1",
    f"https://{'a' * 64}.b",
    "https://a\0b",
]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_told_when_the_way_there_is_made(url: str) -> None:
    with pytest.raises(ValueError, match="is no http:// or https:// URL of a server"):
        HttpTransport(url)
    for make in (MCPClient, MCPConnection, lambda url: MCPClient(url, transport="mcp")):
        with pytest.raises(ValidationError):
            make(url)
    assert fault_of(lambda: named(url)) == "unreachable"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server on loopback with a certificate of its own."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    more = [
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*request, *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_one(peer: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as line:
            while line.recv(4096):
                line.sendall(answer(200, b"secret"))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=listener.accept()[:1], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://localhost:{listener.getsockname()[1]}", certificate
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_certificates_are_checked_unless_told_otherwise(tls_server: tuple[str, Path]) -> None:
    url, certificate = tls_server
    assert fault_of(lambda: HttpTransport(url).send(get())) == "tls"
    trusting = HttpTransport(url, ca_file=str(certificate))
    assert [trusting.send(get()).body for _ in range(2)] == [b"secret"] * 2
    assert HttpTransport(url, verify_ssl=False).send(get()).body == b"secret"
    wrong_name = url.replace("localhost", "127.0.0.1")
    assert (
        fault_of(lambda: HttpTransport(wrong_name, ca_file=str(certificate)).send(get())) == "tls"
    )
    trusting.close()
