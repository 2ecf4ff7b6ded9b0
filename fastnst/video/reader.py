"""Reading a video: its frames, upright and in RGB, and its other streams, unchanged."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.errors import FastnstError, FastnstWarning
from fastnst.video.attachments import attached_files, cover_file, is_cover, left_out
from fastnst.video.color import ColorTags, VideoColor
from fastnst.video.imports import file_url, import_av
from fastnst.video.orientation import Orientation
from fastnst.video.timestamps import Clock, ends_early, skipped_samples, sound_duration, stated_end
from fastnst.video.transparency import decoder_of, on_white

# In microseconds and bytes, instead of FFmpeg's own 5 s and 5 MB.
_LOOK_FURTHER = {"analyzeduration": "300000000", "probesize": "300000000"}

_TRANSPARENT = "has transparency: the result is laid on white"

# A file from elsewhere must not have others of this machine painted.
_PLAYLISTS = ("concat", "dash", "hls", "imf")


@dataclass(frozen=True)
class Frame:
    """A picture and its time.

    Attributes:
        pixels: sRGB of shape (H, W, 3), uint8, upright.
        pts: When it is shown, in units of the video's time base.
        duration: For how long, in the same units; 0 where the file does not say.
        is_last: Whether it is the video's last one.
    """

    pixels: NDArray[np.uint8]
    pts: int
    duration: int
    is_last: bool = False


class VideoReader:
    """A video file opened for reading, its first frame already decoded.

    Iterate it once for its frames in the order in which they are shown, with their exact times, and between
    them PyAV's packets of the audio and subtitles, in the file's order.

    Args:
        path: The file. Of several video streams, the first that is no cover or other single picture is read.
        size: The longer side of the frames, if they are to be reduced.

    Attributes:
        path: The file.
        width: Width of the upright frames. It is even, as H.264 requires: an odd one loses its last column.
        height: Height of the upright frames, likewise.
        time_base: The unit of times in seconds.
        frame_rate: Frames a second on average.
        frame_count: How many frames the file says it has, or would have by its duration; 0 where unknown.
        aspect: Width of a pixel divided by its height.
        color: The colour space of its painted copy.
        copied: PyAV's streams that are copied packet by packet.
        attachments: Files in the video, such as fonts and its cover picture.
        metadata: Metadata of the container, such as its title.
        stream_metadata: Metadata of the video stream.
        chapters: As PyAV has them.

    Raises:
        FastnstError: If PyAV is missing, or the file is missing, no video, damaged or too small.

    Warns:
        FastnstWarning: If the picture cannot be kept as it is (10 bits, HDR, transparency, interlacing, an
            odd size), and, at the end, if a part of it could not be decoded.
    """

    def __init__(self, path: Path, *, size: int | None = None) -> None:
        self._av = import_av()
        self.path = path
        if path.is_dir():
            raise FastnstError(f"{path} is a folder: name the videos in it")
        with ExitStack() as opened:
            try:
                self._container = _open(self._av, _source(path, opened), {})
                if not all(stream.codec_context.sample_rate for stream in _sounds(self._container)):
                    # In a transport stream only the sound itself says what it is, and it may begin late.
                    self._container.close()
                    self._container = _open(self._av, _source(path, opened), _LOOK_FURTHER)
            except (self._av.FFmpegError, OSError) as error:
                raise FastnstError(_open_failure(path, error)) from None
            opened.callback(self._container.close)
            self._open(size)
            self._opened = opened.pop_all()

    def _open(self, size: int | None) -> None:
        if self._container.format.name in _PLAYLISTS:
            raise FastnstError(f"{self.path} is a playlist, which names other files: give a video itself")
        streams = [stream for stream in self._container.streams.video if not is_cover(stream)]
        # An animated AVIF holds a still picture too.
        streams.sort(key=lambda stream: stream.frames == 1)
        if not streams or streams[0].codec_context is None:
            raise FastnstError(f"{self.path} holds no video that can be decoded")
        self._video = streams[0]
        # With a thread for each frame, the error of a damaged one would cost PyAV its good neighbour, too.
        self._video.thread_type = "SLICE"
        container_tags = ColorTags.of(self._video.codec_context)  # which decoding replaces, also by nothing
        self._decode = decoder_of(self._video, self.path)
        self.copied = [*self._container.streams.audio, *self._container.streams.subtitles]
        self._covers = {stream.index: stream for stream in self._container.streams.video if is_cover(stream)}
        self.attachments = attached_files(self._container)
        self._clock = Clock(self._container, [self._video, *self.copied])
        self._cut_off = False
        self._undecoded = 0  # packets
        self._broken = 0  # frames
        self._read = 0  # bytes
        self._is_matroska = self._container.format.name.startswith("matroska")
        self._is_transparent = False
        self._delays: dict[int, Fraction] = {}
        self._packets = 0  # of the video
        self._reached = Fraction(0)  # in seconds, of any stream
        self._last_pts: int | None = None
        self._items = self._decoded()
        # The frames say more than the header: how they are turned and, in some files, what their colours are.
        self._held: list[Any] = []
        for item in self._items:
            self._held.append(item)
            if not self._is_packet(item):
                break
        else:
            raise FastnstError(f"{self.path} holds no frame that can be decoded")
        first = self._held[-1]
        tags = ColorTags.of(self._video.codec_context)
        tags = tags._replace(matrix=first.colorspace, range=first.color_range).filled(container_tags)
        self._color = VideoColor.of(first, tags)
        if self._color.unread:
            raise FastnstError(f"{self.path} {self._color.unread}")
        self._orientation = Orientation.of(first)
        self._size: tuple[int, int] | None = (first.width, first.height)
        self._scaled = _reduced(self._size, size)
        width, height = self._scaled[::-1] if self._orientation.transposed else self._scaled
        self.width, self.height = width // 2 * 2, height // 2 * 2
        if not self.width or not self.height:
            raise FastnstError(f"{self.path} is {width}x{height} pixels: too small for a video")
        self.color = self._color.written.at_size(self.width, self.height)
        self.time_base: Fraction = self._video.time_base
        self.frame_rate = Fraction(self._video.average_rate or self._video.guessed_rate or 25)
        self.frame_count = int(self._video.frames) or round(self._seconds() * self.frame_rate)
        aspect = Fraction(self._video.sample_aspect_ratio or 1) or Fraction(1)
        self.aspect = 1 / aspect if self._orientation.transposed else aspect
        self.metadata: dict[str, str] = dict(self._container.metadata)
        self.stream_metadata: dict[str, str] = dict(self._video.metadata)
        self.stream_metadata.pop("alpha_mode", None)  # the result has none
        self.chapters: list[Any] = self._container.chapters()
        self._warn_of_losses(first, (width, height))

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[Frame | Any]:
        # The last frame and packet of sound wait for the next one: how long a frame stands is seen from the
        # one after it, and where the last one ends the header says.
        waiting: dict[int, Any] = {}
        for item in chain(self._held, self._items):
            index = self._video.index
            if not self._is_packet(item):
                self._give_time(item)
            elif item.stream.type == "audio":
                index = item.stream.index
            else:
                yield item
                continue
            before = waiting.get(index)
            waiting[index] = item
            if before is not None:
                yield self._finished(before, item)
        for item in waiting.values():
            yield self._finished(item, None)
        self._warn_of_damage()

    def _is_packet(self, item: Any) -> bool:
        return isinstance(item, self._av.Packet)

    def _decoded(self) -> Iterator[Any]:
        """Yield PyAV's frames of the video and packets of the other streams."""
        packets = self._container.demux([self._video, *self.copied, *self._covers.values()])
        while True:
            try:
                packet = next(packets, None)
            except (self._av.FFmpegError, OSError):  # a file that ends within a packet
                self._cut_off = True
                packet = None
            if packet is None:
                return
            self._clock.correct(packet)
            self._read = max(self._read, (packet.pos or 0) + packet.size)
            if packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                self._reached = max(self._reached, end * packet.time_base)
            if packet.stream.index in self._covers:  # which come before everything else
                if packet.size:
                    self.attachments.append(cover_file(packet))
                continue
            if packet.stream.index != self._video.index:
                if packet.dts is not None:  # the empty packet that ends a stream has none
                    yield packet
                continue
            self._packets += packet.size > 0
            try:
                frames = self._decode(packet)
            except self._av.EOFError:  # the end of a decoder that an error has already emptied
                continue
            except self._av.FFmpegError:
                self._undecoded += 1
                continue
            # FFmpeg gives no time to what Matroska has before 0, which is there for its successors alone.
            yield from (
                frame for frame in frames if not (self._is_matroska and frame.dts is frame.pts is None)
            )

    def _give_time(self, frame: Any) -> None:
        """Let each frame's time be later than that of the one before."""
        # AVI holds only the times of decoding; FFmpeg guesses those of showing, and often wrongly.
        pts = frame.dts if frame.pts is None or self._container.format.name == "avi" else frame.pts
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            # Some files lack times or repeat them; players then show one frame after the other.
            step = max(1, round(1 / self.frame_rate / self.time_base)) if pts is None else 1
            pts = 0 if self._last_pts is None else self._last_pts + step
        self._last_pts = frame.pts = pts

    def _finished(self, item: Any, following: Any | None) -> Frame | Any:
        """Give a frame or packet of sound its duration, which the next one or the header knows."""
        if self._is_packet(item):
            # Matroska counts from where the decoder begins, which is before the sound is heard.
            delay = self._delays.setdefault(item.stream.index, skipped_samples(item)[0])
            if following is None:
                end = stated_end(self._container, item.stream)
                item.duration = sound_duration(item, end - delay if end and self._is_matroska else end)
            return item
        if following is not None:
            return self._frame(item, following.pts - item.pts, is_last=False)
        duration = int(item.duration or 0)
        end = None if self._is_cut_off() else stated_end(self._container, self._video)
        if end is not None and end > item.pts * self.time_base:
            duration = round(end / self.time_base) - item.pts
        return self._frame(item, duration, is_last=True)

    def _frame(self, frame: Any, duration: int, *, is_last: bool) -> Frame:
        pixels = self._pixels(frame)
        self._broken += frame.is_corrupt
        if self._size not in (None, (frame.width, frame.height)):
            old, self._size = "x".join(map(str, self._size)), None  # said once
            at = f"{float(frame.pts * self.time_base):.1f} s"
            warnings.warn(
                f"{self.path} changes from {old} to {frame.width}x{frame.height} pixels at {at}: from there "
                "on, its frames are scaled to the first size",
                FastnstWarning,
                stacklevel=4,
            )
        if pixels.shape[2] == 4:
            # Most GIFs and many other files could be transparent and are not.
            if not self._is_transparent and pixels[..., 3].min() < 255:
                self._is_transparent = True
                warnings.warn(f"{self.path} {_TRANSPARENT}", FastnstWarning, stacklevel=4)
            pixels = on_white(pixels)
        upright = self._orientation.apply(pixels)[: self.height, : self.width]
        return Frame(np.ascontiguousarray(upright), frame.pts, duration, is_last)

    def _pixels(self, frame: Any) -> NDArray[np.uint8]:
        """Return a frame's sRGB, with its opacity if it may be transparent."""
        try:
            return self._color.to_rgb(frame, self._scaled)
        except (self._av.FFmpegError, ValueError) as error:
            raise FastnstError(f"{self.path}: {frame.format.name} cannot be read as RGB ({error})") from None

    def _is_cut_off(self) -> bool:
        """Return whether the file ends before its header says; it is read to its end."""
        return self._cut_off or ends_early(
            self._container, self._video, self.path, self._packets, self._reached, self._read
        )

    def _warn_of_damage(self) -> None:
        lines = []
        if self._is_cut_off():
            lines.append(f"what could be decoded, up to {float(self._reached):.1f} s, is done")
        if self._undecoded:
            lines.append(
                f"{self._undecoded} of its packets could not be decoded, and their frames are missing"
            )
        if self._broken:
            lines.append(f"damage shows in {self._broken} of its frames")
        if not lines:
            return
        line = "; ".join(lines)
        warnings.warn(f"{self.path} is damaged: {line}", FastnstWarning, stacklevel=3)

    def _seconds(self) -> float:
        if self._video.duration:
            return float(self._video.duration * self._video.time_base)
        return float(self._container.duration or 0) / 1e6

    def _warn_of_losses(self, first: Any, size: tuple[int, int]) -> None:
        components = first.format.components
        losses = []
        if self._color.is_hdr:
            losses.append("is HDR: the result is tone-mapped to SDR, BT.709 in 8 bits")
        elif (bits := max(component.bits for component in components)) > 8:
            losses.append(f"has {bits} bits a channel: the result has 8")
        if any(component.is_alpha for component in components):
            self._is_transparent = bool(self._pixels(first)[..., 3].min() < 255)
            if self._is_transparent:
                losses.append(_TRANSPARENT)
        if first.interlaced_frame:
            losses.append("is interlaced: deinterlace it first, as with ffmpeg -vf bwdif")
        if size != (self.width, self.height):
            losses.append(
                f"would be {size[0]}x{size[1]}: the result is {self.width}x{self.height}, as H.264 needs"
            )
        if others := left_out(self._container, self._video):
            losses.append(f"also holds {others}: the result does not")
        for loss in losses:
            warnings.warn(f"{self.path} {loss}", FastnstWarning, stacklevel=4)


def _reduced(size: tuple[int, int], longer: int | None) -> tuple[int, int]:
    """Return the width and height whose longer side is at most `longer`, both even where they change."""
    if longer is None or max(size) <= longer:
        return size
    scale = longer / max(size)
    return max(2, 2 * round(size[0] * scale / 2)), max(2, 2 * round(size[1] * scale / 2))


def _open(av: Any, source: Any, options: dict[str, str]) -> Any:
    return av.open(source, "r", metadata_errors="replace", container_options=options)


def _sounds(container: Any) -> list[Any]:
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def _source(path: Path, opened: ExitStack) -> Any:
    """Return what PyAV opens, so that FFmpeg takes no part of the name for more than a name."""
    if "%" not in str(path):
        return file_url(path)
    # FFmpeg takes a%03d.gif for a series of pictures; an open file has no name.
    file = opened.enter_context(path.open("rb"))
    return SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)


def _open_failure(path: Path, error: Any) -> str:
    if not path.exists():
        return f"{path} does not exist"
    if isinstance(error, PermissionError):
        return f"{path} may not be read: change its permissions"
    return f"{path} is no video that can be read: {error.strerror or error}"
