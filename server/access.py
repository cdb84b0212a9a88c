"""What is noted of each request: a number in the metrics and a line in the access log."""

from __future__ import annotations

import time

from tornado.web import RequestHandler

from handlers.base import ApiHandler
from server.logs import AccessLog
from server.metrics import Metrics
from server.web import Watch


def watch(metrics: Metrics, log: AccessLog | None) -> Watch:
    """Answer what is told of each request; without a log it only counts."""

    def note(handler: RequestHandler, route: str, seconds: float) -> None:
        request = handler.request
        status = handler.get_status()
        metrics.request(request.method or "", route, status, seconds)
        if log is None:
            return
        asked = handler if isinstance(handler, ApiHandler) else None
        log.write(
            {
                "timestamp": time.time(),
                "event": "request",
                "method": request.method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "ip": request.remote_ip,
                "person": asked.caller if asked else "",
                "request_id": asked.request_id if asked else "",
            }
        )

    return note
