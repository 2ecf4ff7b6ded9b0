"""A result under a partial name until it is whole, so that an interruption leaves a file that plays."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from fastnst.atomic_write import atomic_write, remove_partial_writes, rename
from fastnst.errors import FastnstError
from fastnst.file_lock import FileLock, LockedError
from fastnst.video.filler import NO_TEXT
from fastnst.video.imports import file_url, import_av
from fastnst.video.reader import VideoReader
from fastnst.video.stream_copy import FORMATS, holds
from fastnst.video.writer import VideoWriter, edit_unit

_INDEX_FIRST = {"movflags": "+faststart"}


def partial_path(result: Path) -> Path:
    """Return the name under which a result is written until it is whole: `fox.wave.partial.mp4`."""
    return result.with_name(f"{result.stem}.partial{result.suffix}")


@contextlib.contextmanager
def write_video(
    result: Path, source: VideoReader, *, crf: int = 18, overwrite: bool = True
) -> Iterator[VideoWriter]:
    """Yield a writer whose file takes the name `result` once the block has ended well.

    Until then the file is called `partial_path(result)` and can be played as far as it goes, even if the
    process is killed. If the block raises, the partial file is closed, and stays if it holds a frame.

    Args:
        result: The file to write; its suffix is one of `VIDEO_SUFFIXES`.
        source: The original video, for its times, colours, other streams, metadata and chapters.
        crf: x264's constant rate factor, 0 (lossless) to 51.
        overwrite: Whether a file that has the name `result`, or gets it meanwhile, is replaced.

    Yields:
        The writer.

    Raises:
        FastnstError: If the folder cannot be written to, the disk is full, the container does not hold the
            source's audio, another process writes the same result, or there is one and it is kept.

    Warns:
        FastnstWarning: If a track is left out, because the container cannot hold the subtitles or FFmpeg
            cannot decode it.
    """
    av = import_av()
    partial = partial_path(result)
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        remove_partial_writes(result.parent, result.stem)
        lock = _lock(partial, result)
        try:
            if not overwrite and os.path.lexists(result):
                raise FileExistsError
            yield from _write(av, partial, result, source, crf, overwrite=overwrite)
        finally:
            lock.release(delete=partial.exists() and not partial.stat().st_size)
    except FileExistsError:
        if not os.path.lexists(result):
            raise FastnstError(f"{result} cannot be written, {result.parent} is not a folder") from None
        raise FastnstError(f"{result} exists: --overwrite replaces it, -o writes elsewhere") from None
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise FastnstError(_write_failure(result, error)) from None


def _write(
    av: Any, partial: Path, result: Path, source: VideoReader, crf: int, *, overwrite: bool
) -> Iterator[VideoWriter]:
    writer = None
    try:
        writer = VideoWriter(partial, source, crf=crf)
        yield writer
        writer.close()
        if result.suffix.lower() == ".mkv":
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            rename(partial, result, replace=overwrite)
        else:
            with atomic_write(result, replace=overwrite) as temporary:
                _remux(partial, temporary, source, writer.end, writer.filled)
            partial.unlink()
    except BaseException:
        if writer is not None:
            with contextlib.suppress(av.FFmpegError, OSError):
                writer.close()
        if writer is None or not writer.frames:
            partial.unlink(missing_ok=True)
        raise


def _lock(partial: Path, result: Path) -> FileLock:
    """Take the partial file for this process.

    Raises:
        FastnstError: If another process writes it.
    """
    try:
        lock = FileLock(partial)
        if partial.exists() and partial.stat().st_nlink > 1:  # a second name of a file that must not change
            lock.release(delete=True)
            lock = FileLock(partial)
    except LockedError:
        raise FastnstError(
            f"{result} is being written by another process: wait for it, or give another name to -o"
        ) from None
    return lock


def _remux(partial: Path, target: Path, source: VideoReader, end: Fraction, filled: set[int]) -> None:
    """Copy an MP4 file of fragments into one with its index at the front.

    Its picture ends at `end`, in seconds; of the tracks in `filled`, the first packet is left out.
    """
    av = import_av()
    name = FORMATS[target.suffix.lower()]
    options = {**_INDEX_FIRST, **edit_unit(source)}
    with (
        av.open(file_url(partial)) as fragments,
        av.open(file_url(target), "w", format=name, container_options=options) as whole,
    ):
        copies = {}
        for stream in fragments.streams:
            if stream.type not in ("video", "audio", "subtitle"):  # chapters are a data stream there
                continue
            copies[stream.index] = copy = whole.add_stream_from_template(stream, opaque=True)
            if stream.type == "video":
                copy.codec_context.framerate = source.frame_rate  # which a timecode counts in
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition.value
        covers = []
        for file in source.attachments:
            if file.stream is not None and holds(name, file.stream):
                cover = whole.add_stream_from_template(file.stream, opaque=True)
                cover.disposition = file.stream.disposition.value
                covers.append((cover, file.data))
        whole.metadata.update(fragments.metadata)
        whole.set_chapters(fragments.chapters())
        for cover, data in covers:
            picture = av.Packet(data)
            picture.stream, picture.pts, picture.dts, picture.is_keyframe = cover, 0, 0, True
            whole.mux(picture)
        last: dict[int, int] = {}
        for packet in fragments.demux([fragments.streams[index] for index in copies]):
            if packet.stream.index in filled:
                filled.remove(packet.stream.index)
            elif packet.stream.type == "subtitle" and bytes(packet) == NO_TEXT:
                continue  # each fragment ends with one
            elif packet.dts is not None:
                if packet.stream.type == "video":
                    # In fragments it is the time between frames as they are stored; where the file ends is
                    # the latest end of a frame.
                    packet.duration = min(packet.duration, round(end / packet.time_base) - packet.pts)
                # Where a damaged file has gaps, the fragments' times may meet.
                packet.dts = max(packet.dts, last.get(packet.stream.index, packet.dts - 1) + 1)
                packet.pts = max(packet.pts, packet.dts)
                last[packet.stream.index] = packet.dts
                packet.stream = copies[packet.stream.index]
                whole.mux(packet)


def _write_failure(result: Path, error: Any) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{result} cannot be written, the disk is full: free some space, or give -o elsewhere"
    # A muxer's errors have the same numbers, and are no statement about the folder.
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not os.access(result.parent, os.W_OK):
        return f"{result} cannot be written, {result.parent} is read-only: give -o FOLDER"
    if error.errno == errno.ENOTDIR:
        return f"{result} cannot be written, {result.parent} is not a folder"
    return f"{result} cannot be written: {error.strerror or error}"
