"""What a video holds beside picture, sound and subtitles: files such as fonts and covers, and other data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
_PICTURES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}


@dataclass(frozen=True)
class Attachment:
    """A file in a video.

    Attributes:
        name: Its name.
        mime_type: Its type, such as `font/ttf`.
        data: Its content.
        stream: PyAV's stream of a cover picture, of which MP4 makes one again; None for other files.
    """

    name: str
    mime_type: str
    data: bytes
    stream: Any = None


def is_cover(stream: Any) -> bool:
    """Return whether a PyAV stream is a cover picture, which FFmpeg takes for a video of one frame."""
    return bool(stream.disposition.value & _ATTACHED_PICTURE)


def attached_files(container: Any) -> list[Attachment]:
    """Return the files in a PyAV container that are no pictures."""
    return [
        Attachment(stream.name or "file", stream.mimetype or "application/octet-stream", stream.data)
        for stream in container.streams
        if stream.type == "attachment" and stream.data
    ]


def cover_file(packet: Any) -> Attachment:
    """Return a cover picture, which a PyAV packet holds."""
    stream = packet.stream
    suffix, mime_type = _PICTURES.get(stream.codec_context.name, ("bin", "application/octet-stream"))
    name = stream.metadata.get("filename") or f"cover.{suffix}"
    return Attachment(name, stream.metadata.get("mimetype") or mime_type, bytes(packet), stream)


def left_out(container: Any, video: Any) -> str:
    """Return the names of the streams that no result holds, such as `1 more video track`, or ""."""
    names: Counter[str] = Counter()
    has_chapters = bool(container.chapters())
    for stream in container.streams:
        if stream.type == "video" and stream.index != video.index:
            if not is_cover(stream):
                names["more video track"] += 1
        elif stream.type not in ("video", "audio", "subtitle", "attachment"):
            # A timecode is written anew from the video's metadata, and a track with the chapters' names, too.
            is_chapters = has_chapters and stream.name == "bin_data"
            if "timecode" not in stream.metadata and not is_chapters:
                handler = stream.metadata.get("handler_name", "").strip()
                name = stream.name if stream.type == "data" else None
                names[f"data track ({handler or name or 'unknown'})"] += 1
    return " and ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in names.items())
