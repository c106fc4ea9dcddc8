"""The server that Prometheus reads figures from: bounded in clients, and in the time that each of them has. It knows no figure.

Whoever connects and says nothing would else keep a thread and a descriptor for ever, until the box has none left for its own work.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

MAX_CLIENTS = 16
"""At a time; one more is hung up on."""
CLIENT_S = 10.0
"""For each piece of what a client says or takes: Prometheus waits as long for an answer."""

log = logging.getLogger("omniwatch.metrics")


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Listens from the moment that it is made. OSError where that cannot be."""

    daemon_threads = True

    def __init__(self, host: str, port: int, registry: CollectorRegistry, client_s: float = CLIENT_S) -> None:
        """`host`: a name or an address of this machine, of either version of IP."""
        self.address_family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self._room = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__((str(address[0]), port), _handler(client_s))
        self.set_app(make_wsgi_app(registry))

    def begin(self) -> Callable[[], None]:
        """Serve in a thread of its own, and return what stops it."""
        thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)
        thread.start()

        def stop() -> None:
            self.shutdown()
            thread.join(timeout=1)
            self.server_close()

        return stop

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """In a thread of its own, if there is room."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the machine has no thread for it
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as above
        """The thread of one client."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """A client that goes in the middle is no fault of ours."""
        error = sys.exception()
        log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "the figures were not taken: %s", error)


def _handler(client_s: float) -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        timeout = client_s

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library has it
            """Nobody reads who has read the figures."""

    return Handler
