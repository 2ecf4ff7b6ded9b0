"""What a request is answered that cannot be served: a status and one line of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from starlette.responses import Response

from fastnst.terminal import one_line


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        status: The HTTP status.
        message: One line that says what is wrong and what to do about it.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


class BusyError(ApiError):
    """The server has no room for the request now.

    Args:
        message: What there is no room for.
        seconds: When it may be worth another try.
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(503, message, {"Retry-After": str(max(1, math.ceil(seconds)))})


class ClientLeftError(Exception):
    """The client has closed the connection: nobody waits for an answer."""


def error_body(message: str) -> bytes:
    """Return the line of JSON that tells of an error."""
    return json.dumps({"error": one_line(message)}, ensure_ascii=False).encode() + b"\n"


def error_response(error: ApiError, *, close: bool = False) -> Response:
    """Return the answer to a request that is refused.

    Args:
        error: Why.
        close: Whether the connection ends with it, as the rest of the request is not read.
    """
    headers = {**error.headers, "Cache-Control": "no-store", **({"Connection": "close"} if close else {})}
    return Response(error_body(error.message), error.status, headers, "application/json")
