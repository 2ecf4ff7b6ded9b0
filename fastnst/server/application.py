"""The server's answers: the page, the API, and what runs them needs to know."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fastnst.image.encode import WRITABLE_SUFFIXES
from fastnst.server.access import HEALTH, Access, AccessRules
from fastnst.server.body import Body, BodyLimits, HeldBytes, Share, read_body
from fastnst.server.errors import ApiError, BusyError, ClientLeftError, error_response
from fastnst.server.form import is_form, read_form
from fastnst.server.metrics import MEDIA_TYPE, Metrics
from fastnst.server.open_styles import OpenStyles
from fastnst.server.openapi import openapi_document
from fastnst.server.page_files import PAGE_HEADERS, PageFiles, StaticFile
from fastnst.server.painting import paint
from fastnst.server.painting_queue import PaintingQueue
from fastnst.server.parameters import Wish, read_wish
from fastnst.server.training.routes import TrainingRoutes
from fastnst.server.training.trainings import Trainings
from fastnst.web.samples import Example

STYLIZE = "/api/v1/stylize"
STYLES = "/api/v1/styles"

# A client takes so much of an answer at a time (see connection.py), and all of it in this time.
_CHUNK = 2**18
_ANSWER_SECONDS = 600

# How many of the largest bodies and results are held at a time; a result may have four bytes a pixel.
_HELD = 3


@dataclass(frozen=True)
class Limits:
    """What one request may take.

    Attributes:
        body: Of its body.
        max_pixels: Of the image, of masks, and of the size that is painted at.
        waiting: Paintings that wait for their turn.
        at_once: Paintings that run at the same time.
        seconds: Of one painting.
    """

    body: BodyLimits
    max_pixels: int
    waiting: int
    at_once: int
    seconds: float


class Application:
    """The ASGI application.

    Args:
        styles: The styles to paint with.
        examples: Photos that the page begins with.
        rules: Who may ask.
        limits: What one request may take.
        trainings: The trainings of new styles, or None where none may be trained.

    Attributes:
        queue: The paintings; it is closed when the server ends.
        trainings: As given; they are closed when the server ends.
    """

    def __init__(
        self,
        styles: OpenStyles,
        examples: Sequence[Example],
        rules: AccessRules,
        limits: Limits,
        trainings: Trainings | None = None,
    ) -> None:
        self.trainings = trainings
        self.queue = PaintingQueue(limits.at_once, limits.waiting, limits.seconds)
        self._styles, self._limits = styles, limits
        self._pages = PageFiles(styles, examples, limits.max_pixels, has_training=trainings is not None)
        self._metrics = Metrics()
        self._parsing = asyncio.Semaphore(1)
        self._held = HeldBytes(_HELD * (limits.body.most_bytes + 4 * limits.max_pixels))
        media_types = sorted({Image.MIME[name] for name in WRITABLE_SUFFIXES.values() if name in Image.MIME})
        self._openapi = _json(
            openapi_document(
                media_types, has_token=rules.token is not None, has_training=trainings is not None
            )
        )
        routes = [
            *self._training_routes(rules),
            Route(STYLIZE, self._stylize, methods=["POST"]),
            Route(STYLES, self._list_styles),
            Route(HEALTH, self._health),
            Route("/metrics", self._show_metrics),
            Route("/openapi.json", self._show_openapi),
            Route("/api", self._api_page),
            Route("/samples/{name}.jpg", self._sample),
            Route("/{path:path}", self._page),
        ]
        handlers = {
            ApiError: self._refuse,
            HTTPException: self._refuse,
            ClientLeftError: self._forget,
            Exception: self._fail,
        }
        self._layers = Access(Starlette(routes=routes, exception_handlers=handlers), rules, PAGE_HEADERS)

    def _training_routes(self, rules: AccessRules) -> list[Route]:
        if self.trainings is None:
            return []
        return TrainingRoutes(
            self.trainings,
            self._limits.body,
            self._limits.max_pixels,
            self._held,
            self.queue.ending,
            allows_proxies=rules.token is not None,
        ).routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._layers(scope, receive, send)

    async def _stylize(self, request: Request) -> Response:
        share = Share(self._held)
        try:
            wish = await self._read_wish(request, share)
            result = await self.queue.run(
                partial(paint, wish, self._styles, self._limits.max_pixels), _body(request)
            )
            share.set(len(result.data))
        except BaseException:
            share.set(0)
            raise
        self._metrics.painted(result.pixels, result.seconds)
        self._metrics.answered(STYLIZE, 200)
        headers = {
            "Cache-Control": "no-store",
            "Server-Timing": f"paint;dur={1000 * result.seconds:.1f}",
        }
        return _InChunks(result.data, result.media_type, headers, share)

    async def _read_wish(self, request: Request, share: Share) -> Wish:
        if self.queue.ending.is_set():
            raise BusyError("the server is ending", 5)
        data = await read_body(_body(request), request.headers, self._limits.body, share, self.queue.ending)
        texts = request.query_params.multi_items()
        content_type = request.headers.get("content-type", "")
        # In a thread, since names are looked up on the disk. Taking a form apart takes its size once more.
        async with self._parsing:
            return await asyncio.to_thread(self._wish, data, texts, content_type)

    def _wish(self, data: bytes, texts: list[tuple[str, str]], content_type: str) -> Wish:
        known = self._styles.known()
        if not is_form(content_type):
            return read_wish(data, texts, [], known)
        parts = read_form(data, content_type)
        texts += [(part.name, part.data.decode("utf-8", "replace")) for part in parts if not part.is_file]
        files = [(part.name, bytes(part.data)) for part in parts if part.is_file]
        return read_wish(None, texts, files, known)

    async def _list_styles(self, _: Request) -> Response:
        return Response(await asyncio.to_thread(self._styles_json), media_type="application/json")

    def _styles_json(self) -> bytes:
        return _json(
            [
                {
                    "name": entry["key"],
                    **{key: entry[key] for key in ("title", "artist", "bytes")},
                    "metadata": metadata,
                }
                for entry, metadata in self._styles.described()
            ]
        )

    async def _health(self, _: Request) -> Response:
        if self.queue.ending.is_set():
            raise BusyError("the server is ending", 5)
        return Response(_json({"status": "ok"}), media_type="application/json")

    async def _show_metrics(self, _: Request) -> Response:
        text = self._metrics.text(
            waiting=self.queue.waiting, running=self.queue.running, held_bytes=self._held.now
        )
        return Response(text, media_type=MEDIA_TYPE)

    async def _show_openapi(self, _: Request) -> Response:
        return Response(self._openapi, media_type="application/json")

    async def _api_page(self, request: Request) -> Response:
        return self._file(request, self._pages.get("api.html"))

    async def _page(self, request: Request) -> Response:
        if request.url.path == STYLIZE:
            raise HTTPException(405, headers={"Allow": "POST"})
        return self._file(request, await asyncio.to_thread(self._pages.get, request.path_params["path"]))

    async def _sample(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self._pages.has_sample(name):
            raise HTTPException(404)
        return self._file(request, await self.queue.run(partial(self._pages.sample, name)))

    @staticmethod
    def _file(request: Request, found: StaticFile | None) -> Response:
        if found is None:
            raise HTTPException(404)
        headers = {"ETag": found.etag, "Cache-Control": "no-cache"}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return _InChunks(found.data, found.media_type, headers)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = _of_starlette(error, request)
        assert isinstance(error, ApiError)
        if request.url.path == STYLIZE:
            self._metrics.answered(STYLIZE, error.status)
        await _body(request).drain(request.headers)
        return error_response(error, close=not _body(request).is_whole)

    async def _forget(self, _: Request, __: Exception) -> Response:
        self._metrics.left()
        return _NoAnswer()

    async def _fail(self, request: Request, _: Exception) -> Response:
        """Answer a fault of the program; uvicorn prints it."""
        if request.url.path == STYLIZE:
            self._metrics.answered(STYLIZE, 500)
        return error_response(ApiError(500, "the server has failed; its log says more"), close=True)


class _InChunks(Response):
    """An answer that is given in parts, so that a client that takes none of them is noticed.

    Args:
        content: What is given.
        media_type: Its type.
        headers: More headers.
        share: What is counted for it, until it is given.
    """

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str], share: Share | None = None
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give it."""
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            data = memoryview(self.body)
            end = time.monotonic() + _ANSWER_SECONDS
            for start in range(0, max(len(data), 1), _CHUNK):
                part = bytes(data[start : start + _CHUNK])
                more = start + _CHUNK < len(data)
                await send({"type": "http.response.body", "body": part, "more_body": more})
                if time.monotonic() > end:
                    return  # uvicorn closes the connection
        finally:
            if self._share is not None:
                self._share.set(0)


class _NoAnswer(Response):
    """Nothing: nobody waits for it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give it."""


def _body(request: Request) -> Body:
    body = request.receive
    assert isinstance(body, Body)  # by Access
    return body


def _of_starlette(error: HTTPException, request: Request) -> ApiError:
    if error.status_code == 404:
        return ApiError(404, f"there is no {request.url.path[:80]}: /openapi.json describes the API")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return ApiError(405, f"{request.url.path} takes {allowed or 'other methods'}", error.headers)
    return ApiError(error.status_code, error.detail, error.headers)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
