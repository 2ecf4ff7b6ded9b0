"""The parts of a request in multipart/form-data, taken apart in memory: nothing is written to a disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fastnst.server.errors import ApiError

MOST_PARTS = 64


@dataclass
class Part:
    """One part of a form.

    Attributes:
        name: The field's.
        is_file: Whether it has a file's name.
        data: Its bytes.
    """

    name: str = ""
    is_file: bool = False
    data: bytearray = field(default_factory=bytearray)


def is_form(content_type: str) -> bool:
    """Return whether a request's body is a form of parts; any other body is an image."""
    return parse_options_header(content_type)[0].lower() == b"multipart/form-data"


def read_form(body: bytes, content_type: str) -> list[Part]:
    """Take a form apart.

    Raises:
        ApiError: If it is malformed, cut short, or has more than `MOST_PARTS` parts.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise ApiError(400, "the form's Content-Type names no boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]  # a dict of them
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise ApiError(400, f"the form is malformed: {error}") from None
    if not parts.is_whole:
        raise ApiError(400, "the form is cut short")
    return parts.found


class _Parts:
    """Collects what the parser finds."""

    def __init__(self) -> None:
        self.found: list[Part] = []
        self.is_whole = False
        self._field = bytearray()
        self._value = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._field.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._check_name,
            "on_part_data": lambda data, start, end: self.found[-1].data.extend(data[start:end]),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.found) == MOST_PARTS:
            raise ApiError(400, f"the form has more than {MOST_PARTS} parts")
        self.found.append(Part())

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            part = self.found[-1]
            part.name = options.get(b"name", b"").decode("utf-8", "replace")
            part.is_file = b"filename" in options
        self._field.clear()
        self._value.clear()

    def _check_name(self) -> None:
        if not self.found[-1].name:
            raise ApiError(400, "a part of the form has no name")

    def _end(self) -> None:
        self.is_whole = True
