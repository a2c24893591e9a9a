"""A server on loopback that speaks S3, and counts what it sends."""

import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class Counter:
    """A WSGI application around another one; counts the bytes of the bodies that it sends."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.sent = 0
        self.requests = 0
        self.broken = False

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        self.requests += 1
        if self.broken:
            start_response("400 Bad Request", [("Content-Length", "0")])
            return
        for chunk in self.app(environ, start_response):
            self.sent += len(chunk)
            yield chunk


@contextmanager
def serve(bucket: str) -> Iterator[tuple[Counter, dict[str, str]]]:
    """Run a server with one bucket; yields its counter and the storage options that reach it."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *args: Any) -> None:
            pass

    counter = Counter(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, counter, threaded=True, request_handler=Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT")).read()
    options = {
        "aws_endpoint": endpoint,
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_region": "us-east-1",
        "allow_http": "true",
    }
    try:
        yield counter, options
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
