"""Who may ask: by which name of the server, from which page, with which token.

Any web page in the user's own browser can send requests to servers on the user's own machine. The name by
which it asks (Host) and where it comes from (Origin) tell it from the server's own page.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastnst.server.body import Body
from fastnst.server.errors import ApiError, error_response

HEALTH = "/healthz"
"""Answered without a token: it says nothing but that the server runs."""

_COOKIE = "fastnst-token"
_SAFE = ("GET", "HEAD", "OPTIONS")

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class AccessRules:
    """What is allowed.

    Attributes:
        hosts: Names of this server beside those of the machine itself.
        any_address: Whether any IP address is a name of this server: no foreign page can come under one.
        origins: Pages of other servers that may use this one, as `https://example.org`.
        token: What each request must have, or None.
    """

    hosts: frozenset[str] = frozenset()
    any_address: bool = False
    origins: frozenset[str] = frozenset()
    token: str | None = None


class Access:
    """The outermost layer: it refuses what is not allowed, and gives every answer its headers.

    Args:
        app: What answers requests that are allowed.
        rules: What is allowed.
        headers: Headers of every answer.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules, headers: Mapping[str, str]) -> None:
        self._app, self._rules, self._headers = app, rules, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        headers = Headers(scope=scope)
        body = Body(receive)
        origin = headers.get("origin", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
                if self._rules.origins:
                    answer.add_vary_header("Origin")
                if origin in self._rules.origins:
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Expose-Headers"] = "Retry-After, Server-Timing"
            await send(message)

        try:
            self._check_host(headers)
            self._check_origin(scope["method"], headers)
            response = self._preflight(scope, headers) or self._checked_token(scope, headers)
        except ApiError as error:
            await body.drain(headers)
            response = error_response(error, close=not body.is_whole)
        await (response or self._app)(scope, body, send_with_headers)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        if len(given) != 1:
            raise ApiError(400, "the request must have one Host")
        name = host_name(given[0])
        if name in _LOCAL_NAMES or name.endswith(".localhost") or name in self._rules.hosts:
            return
        if self._rules.any_address and is_address(name):
            return
        raise ApiError(403, f"this server is not called {name[:80]!r}: --allow-host lets it be")

    def _check_origin(self, method: str, headers: Headers) -> None:
        given = headers.getlist("origin")
        if not given:
            site = headers.get("sec-fetch-site", "none")
            if method not in _SAFE and site not in ("none", "same-origin"):
                raise ApiError(403, "pages of other servers may not use this one")
            return
        origin = given[0]
        if len(given) == 1 and (origin in self._rules.origins or self._is_own(origin, headers["host"])):
            return
        raise ApiError(403, f"pages of {origin[:80]!r} may not use this server: --allow-origin lets them")

    @staticmethod
    def _is_own(origin: str, host: str) -> bool:
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and place.lower() == host.lower()

    def _preflight(self, scope: Scope, headers: Headers) -> Response | None:
        """Answer a browser that asks what another server's page may do."""
        if scope["method"] != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, DELETE",
                "Access-Control-Allow-Headers": "Authorization, Content-Type",
                "Access-Control-Max-Age": "600",
            },
        )

    def _checked_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Check the token; return a redirection where it came in the address of the page.

        Raises:
            ApiError: 401 if it is missing or wrong.
        """
        if self._rules.token is None or scope["path"] == HEALTH:
            return None
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if self._is_token(_cookie(headers)):
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=16)
            if any(map(self._is_token, query.get("token", []))):
                # The address with the token shall not stay in the browser's history.
                cookie = f"{_COOKIE}={quote(self._rules.token, safe='')}; Path=/; HttpOnly; SameSite=Strict"
                return Response(
                    status_code=303,
                    headers={"Location": "./", "Set-Cookie": cookie, "Cache-Control": "no-store"},
                )
        raise ApiError(
            401,
            "this server wants its token: open /?token=TOKEN, or send Authorization: Bearer TOKEN",
            {"WWW-Authenticate": "Bearer"},
        )

    def _is_token(self, text: str) -> bool:
        token = self._rules.token or ""
        return hmac.compare_digest(text.encode("utf-8", "replace"), token.encode())


def _cookie(headers: Headers) -> str:
    for given in headers.getlist("cookie"):
        try:
            found = SimpleCookie(given).get(_COOKIE)
        except CookieError:
            continue
        if found is not None:
            return unquote(found.value)
    return ""


def host_name(host: str) -> str:
    """Return the name in a Host, without its port, in small letters."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:  # such as an IPv6 address without an end
        return ""


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def checked_origins(origins: Iterable[str]) -> frozenset[str]:
    """Return origins as browsers write them.

    Raises:
        ValueError: If one is no origin, such as `*`.
    """
    checked = set()
    for origin in origins:
        parts = urlsplit(origin.rstrip("/"))
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            raise ValueError(f"{origin!r} is no origin: name one as https://example.org")
        checked.add(f"{parts.scheme}://{parts.netloc}".lower())
    return frozenset(checked)
