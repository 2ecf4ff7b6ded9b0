"""Writing a video under a partial name, so that an interruption leaves a file that plays."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastnst.atomic_write import atomic_write, remove_partial_writes
from fastnst.errors import FastnstError, FastnstWarning
from fastnst.video.imports import import_av
from fastnst.video.reader import Frame, VideoReader

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
"""The suffixes that results may have."""

# An MP4 file plays only once its index is written, at its end. In fragments of half a second, each with an
# index of its own, it plays at any time; delay_moov lets the first one hold the exact times. Packets wait a
# second (in FFmpeg ten) for the other streams', as where the sound ends before the picture.
_PLAYABLE = {"max_interleave_delta": "1000000", "flush_packets": "1"}
_FRAGMENTS = {**_PLAYABLE, "movflags": "+frag_keyframe+delay_moov", "frag_duration": "500000"}
_INDEX_FIRST = {"movflags": "+faststart"}


def partial_path(result: Path) -> Path:
    """Return the name under which a result is written until it is whole: `fox.wave.partial.mp4`."""
    return result.with_name(f"{result.stem}.partial{result.suffix}")


@contextlib.contextmanager
def write_video(result: Path, source: VideoReader, *, crf: int = 18) -> Iterator[VideoWriter]:
    """Yield a writer whose file takes the name `result` once the block has ended well.

    Until then the file is called `partial_path(result)` and can be played as far as it goes, even if the
    process is killed. If the block raises, the partial file is closed, and stays if it holds a frame.

    Args:
        result: The file to write; its suffix is one of `VIDEO_SUFFIXES`.
        source: The original video, for its times, colours, other streams, metadata and chapters.
        crf: x264's constant rate factor, 0 (lossless) to 51.

    Yields:
        The writer.

    Raises:
        FastnstError: If the folder cannot be written to, the disk is full, or the container does not hold
            the source's audio.

    Warns:
        FastnstWarning: If a track is left out, because the container cannot hold the subtitles or FFmpeg
            cannot decode it.
    """
    av = import_av()
    partial = partial_path(result)
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        remove_partial_writes(result.parent, result.stem)
        writer = VideoWriter(partial, source, crf=crf)
    except OSError as error:
        raise FastnstError(_write_failure(result, error)) from None
    try:
        yield writer
        writer.close()
        if result.suffix.lower() == ".mkv":
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(partial, result)  # noqa: PTH105 - Path.replace says the same; os.replace names the guarantee
        else:
            with atomic_write(result) as temporary:
                _remux(av, partial, temporary)
            partial.unlink()
    except BaseException as error:
        with contextlib.suppress(av.FFmpegError, OSError):
            writer.close()
        if not writer.frames:
            partial.unlink(missing_ok=True)
        if isinstance(error, av.FFmpegError | OSError) and not isinstance(error, BrokenPipeError):
            raise FastnstError(_write_failure(result, error)) from None
        raise


class VideoWriter:
    """An H.264 video being written, with the other streams of its source copied packet by packet.

    Args:
        path: The file.
        source: The original video.
        crf: x264's constant rate factor.

    Attributes:
        path: The file.
        frames: How many frames were given to it.
    """

    def __init__(self, path: Path, source: VideoReader, *, crf: int = 18) -> None:
        self._av = import_av()
        self.path = path
        self.frames = 0
        self._color = source.color
        self._time_base = source.time_base
        self._closed = False
        self._durations: dict[int, int] = {}
        options = _PLAYABLE if path.suffix.lower() == ".mkv" else _FRAGMENTS
        self._container = self._av.open(str(path), "w", container_options=options)
        try:
            self._video = self._open_video(source, crf)
            self._copies: dict[int, Any] = {}
            for stream in source.copied:
                self._copy(stream, source.path)
            self._container.metadata.update(source.metadata)
            if source.chapters:
                self._container.set_chapters(source.chapters)
        except BaseException:
            self._container.close()
            path.unlink(missing_ok=True)
            raise

    def _open_video(self, source: VideoReader, crf: int) -> Any:
        video = self._container.add_stream("libx264", rate=source.frame_rate)
        video.width, video.height = source.width, source.height
        video.pix_fmt = "yuv420p"
        video.options = {"crf": str(crf), "preset": "medium"}
        video.codec_context.time_base = source.time_base
        video.codec_context.sample_aspect_ratio = source.aspect
        self._color.tag(video.codec_context)
        video.metadata.update(source.stream_metadata)
        return video

    def _copy(self, stream: Any, source: Path) -> None:
        if stream.codec_context is None:  # PyAV copies it into no container
            warnings.warn(
                f"{source}: one of its {stream.type} tracks, which FFmpeg cannot decode, is left out",
                FastnstWarning,
                stacklevel=6,
            )
            return
        name = stream.codec_context.name
        try:
            copy = self._container.add_stream_from_template(stream)
        except (ValueError, self._av.FFmpegError):
            # A video without its subtitles is still useful; without its sound it is not.
            if stream.type == "audio":
                raise FastnstError(
                    f"{source}: its audio ({name}) does not fit into {self.path.suffix}: give -o NAME.mkv"
                ) from None
            warnings.warn(
                f"{source}: its subtitles ({name}) do not fit into {self.path.suffix} and are left out; "
                "-o NAME.mkv keeps them",
                FastnstWarning,
                stacklevel=6,
            )
            return
        copy.metadata.update(stream.metadata)
        copy.disposition = stream.disposition.value
        self._copies[stream.index] = copy

    def write(self, item: Frame | Any) -> None:
        """Add the next frame, or a packet of the source's other streams.

        Raises:
            OSError: If the disk is full.
        """
        if not isinstance(item, Frame):
            copy = self._copies.get(item.stream.index)
            if copy is not None:
                item.stream = copy
                self._container.mux(item)
            return
        frame = self._color.to_yuv(self._av.VideoFrame.from_ndarray(item.pixels, format="rgb24"))
        frame.pts, frame.time_base = item.pts, self._time_base
        self._durations[item.pts] = item.duration
        self.frames += 1
        self._mux(frame)

    def _mux(self, frame: Any | None) -> None:
        for packet in self._video.encode(frame):
            # x264 loses the durations of frames; only the last one's matters.
            if duration := self._durations.pop(packet.pts, 0):
                packet.duration = duration
            self._container.mux(packet)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.frames:
                self._mux(None)
        finally:
            self._container.close()


def _remux(av: Any, source: Path, target: Path) -> None:
    """Copy an MP4 file of fragments into one with its index at the front."""
    with (
        av.open(str(source)) as fragments,
        av.open(str(target), "w", container_options=_INDEX_FIRST) as whole,
    ):
        copies = {}
        for stream in fragments.streams:
            if stream.type not in ("video", "audio", "subtitle"):  # chapters are a data stream there
                continue
            copies[stream.index] = copy = whole.add_stream_from_template(stream, opaque=True)
            copy.metadata.update(stream.metadata)
            copy.disposition = stream.disposition.value
        whole.metadata.update(fragments.metadata)
        whole.set_chapters(fragments.chapters())
        for packet in fragments.demux([fragments.streams[index] for index in copies]):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                whole.mux(packet)


def _write_failure(result: Path, error: Any) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{result} cannot be written, the disk is full: free some space, or give -o elsewhere"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{result} cannot be written, {result.parent} is read-only: give -o FOLDER"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{result} cannot be written, {result.parent} is not a folder"
    return f"{result} cannot be written: {error.strerror or error}"
