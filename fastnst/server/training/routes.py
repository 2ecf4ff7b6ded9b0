"""The routes of training: requests in, calls of `Trainings`, answers out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fastnst.server.body import Body, BodyLimits, HeldBytes, Share, read_body
from fastnst.server.errors import ApiError
from fastnst.server.form import is_form, read_form
from fastnst.server.training.recipes import QUALITIES
from fastnst.server.training.trainings import Trainings

TRAININGS = "/api/v1/trainings"

# What a proxy adds: a server behind one may be everyone's, although only this machine reaches its socket.
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")

_PARAMETERS = ("name", "quality")


class TrainingRoutes:
    """The routes.

    Args:
        trainings: What they act on.
        limits: Of a painting's body.
        max_pixels: Of a painting.
        held: Counts the bytes of bodies.
        ending: Set when the server ends.
        allows_proxies: Whether requests may come through a proxy.
    """

    def __init__(
        self,
        trainings: Trainings,
        limits: BodyLimits,
        max_pixels: int,
        held: HeldBytes,
        ending: asyncio.Event,
        *,
        allows_proxies: bool,
    ) -> None:
        self._trainings, self._limits, self._max_pixels = trainings, limits, max_pixels
        self._held, self._ending, self._allows_proxies = held, ending, allows_proxies
        self._reading = asyncio.Semaphore(1)

    def routes(self) -> list[Route]:
        """Return the routes for the application."""
        one = f"{TRAININGS}/{{name}}"
        return [
            self._route(TRAININGS, {"GET": self._list, "POST": self._start}),
            self._route(one, {"GET": self._get, "DELETE": self._delete}),
            self._route(f"{one}/preview", {"GET": self._preview}),
            self._route(f"{one}/painting", {"GET": self._painting}),
            self._route(f"{one}/cancel", {"POST": self._cancel}),
            self._route(f"{one}/resume", {"POST": self._resume}),
        ]

    def _route(self, path: str, calls: dict[str, Callable[[Request], Awaitable[Response]]]) -> Route:
        async def answer(request: Request) -> Response:
            if not self._allows_proxies and any(name in request.headers for name in _OF_PROXIES):
                raise ApiError(403, "training through a proxy needs --allow-training and --token")
            call = calls.get("GET" if request.method == "HEAD" else request.method)
            if call is None:
                allowed = ", ".join(calls)
                raise ApiError(405, f"{request.url.path[:80]} takes {allowed}", {"Allow": allowed})
            return await call(request)

        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        return Route(path, answer, methods=methods)

    async def _list(self, _: Request) -> Response:
        return _json(await asyncio.to_thread(self._trainings.overview))

    async def _start(self, request: Request) -> Response:
        body = request.receive
        assert isinstance(body, Body)  # by Access
        # Before a painting is sent in vain.
        await asyncio.to_thread(self._trainings.check_free)
        share = Share(self._held)
        try:
            data = await read_body(body, request.headers, self._limits, share, self._ending)
            painting, values = _parameters(request, data)
            async with self._reading:
                started = await asyncio.to_thread(
                    self._trainings.start, values["name"], values["quality"], painting, self._max_pixels
                )
        finally:
            share.set(0)
        return _json(started, 201)

    async def _get(self, request: Request) -> Response:
        return _json(await asyncio.to_thread(self._trainings.get, _name(request)))

    async def _delete(self, request: Request) -> Response:
        await asyncio.to_thread(self._trainings.delete, _name(request))
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    async def _cancel(self, request: Request) -> Response:
        return _json(await asyncio.to_thread(self._trainings.cancel, _name(request)))

    async def _resume(self, request: Request) -> Response:
        return _json(await asyncio.to_thread(self._trainings.resume, _name(request)))

    async def _preview(self, request: Request) -> Response:
        return await asyncio.to_thread(_picture, self._trainings.preview(_name(request)), "image/png")

    async def _painting(self, request: Request) -> Response:
        return await asyncio.to_thread(_picture, self._trainings.painting(_name(request)), "image/jpeg")


def _parameters(request: Request, data: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the painting's file and the other parameters.

    Raises:
        ApiError: 400 if one is unknown, missing or comes twice, 422 if it is out of range.
    """
    texts = request.query_params.multi_items()
    files = [("painting", data)] if data else []
    content_type = request.headers.get("content-type", "")
    if is_form(content_type):
        parts = read_form(data, content_type)
        texts += [(part.name, part.data.decode("utf-8", "replace")) for part in parts if not part.is_file]
        files = [(part.name, bytes(part.data)) for part in parts if part.is_file]
    for name, _ in texts:
        if name not in _PARAMETERS:
            raise ApiError(400, f"there is no parameter {name[:40]!r}: there are {', '.join(_PARAMETERS)}")
    values = dict(texts)
    if len(values) < len(texts):
        raise ApiError(400, "a parameter comes twice: give it once")
    if [name for name, _ in files] != ["painting"] or not files[0][1]:
        raise ApiError(400, "send one painting: as the body, or as the file 'painting' of a form")
    if not values.get("name"):
        raise ApiError(400, "give the new style a name")
    quality = values.setdefault("quality", QUALITIES[0])
    if quality not in QUALITIES:
        raise ApiError(422, f"quality must be {' or '.join(QUALITIES)}, not {quality[:40]!r}")
    return files[0][1], values


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _picture(path: Path, media_type: str) -> Response:
    try:
        return Response(path.read_bytes(), media_type=media_type, headers={"Cache-Control": "no-store"})
    except FileNotFoundError:
        raise ApiError(404, "there is no picture yet") from None


def _json(value: Any, status: int = 200) -> Response:
    data = json.dumps(value, ensure_ascii=False).encode()
    return Response(data, status, {"Cache-Control": "no-store"}, "application/json")
