"""A real S3 server process for tests, and a gate before it that loses requests on demand."""

import http.client
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

REGION = "eu-central-1"
# Headers that concern one line only, not the request.
PER_LINE = ("expect", "transfer-encoding", "connection", "content-length")


def environment(address: str) -> dict[str, str]:
    """What a client needs to reach the server and nothing else."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def running() -> Iterator[str]:
    """Run a server; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and server.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


class Gate(http.server.ThreadingHTTPServer):
    """Passes requests on to a server, except those it loses or refuses.

    Of requests that write, every ``every``-th is lost: the line breaks, or the server says it is too busy.
    With ``refuses``, a status and an S3 error code, requests with a verb of ``refused`` are answered by that.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.every = 0
        self.refuses: tuple[int, str] | None = None
        self.refused = ("GET", "HEAD", "PUT", "POST", "DELETE")
        self.lock = threading.Lock()
        self.writes = 0
        self.lost: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Where the gate listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def loses(self, verb: str, path: str) -> bool:
        """Tell whether this request is one of those that get lost: every so many-th that writes."""
        if not self.every or verb not in ("PUT", "POST"):
            return False
        with self.lock:
            self.writes += 1
            if self.writes % self.every:
                return False
            self.lost.append(f"{verb} {path}")
        return True


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = self._body()
        if self.server.loses(self.command, self.path):
            if len(self.server.lost) % 2:
                # The line breaks without an answer.
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._answer(503, {"Content-Type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>")
            return
        if self.server.refuses and self.command in self.server.refused:
            status, code = self.server.refuses
            content = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            self._answer(status, {"Content-Type": "application/xml"}, content)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in PER_LINE}
        line = http.client.HTTPConnection(self.server.target.hostname or "", self.server.target.port, timeout=60)
        try:
            line.request(self.command, self.path, body or None, headers | {"Content-Length": str(len(body))})
            answer = line.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            line.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        skipped = {"transfer-encoding", "connection"} | ({"content-length"} if self.command != "HEAD" else set())
        for name, value in headers.items():
            if name.lower() not in skipped:
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass
