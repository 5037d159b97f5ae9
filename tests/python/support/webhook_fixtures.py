"""A fixture of the tests that send to a webhook."""

import http.server
import json
import threading

import pytest


class Receiver(tuple):
    """Address and what was sent, and the paths to which it was sent."""

    paths: list[str]


@pytest.fixture
def receiver():
    """A receiver of webhooks on this machine: its address, what it has been sent, and to which ``paths``."""
    taken, paths = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            paths.append(self.path)
            self.send_response(500 if self.path.endswith("broken") else 204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = Receiver((f"http://127.0.0.1:{server.server_port}/canary", taken))
    found.paths = paths
    yield found
    server.shutdown()
    server.server_close()
