"""The clock of a video file: its packets' times as one line, and where its streams end."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

NO_ORIGIN = 0x200
"""FFmpeg's AVFMT_TS_DISCONT: the format's clock begins anywhere and may jump, as where files are joined."""

# FFmpeg's own command calls these jumps (its -dts_delta_threshold): a gap of up to ten seconds is a pause.
_LONGEST_PAUSE = Fraction(10)
_LONGEST_STEP_BACK = Fraction(1, 10)


class Clock:
    """Corrects the times of a file's packets, as FFmpeg's command line does.

    The clock of MPEG-TS and MPEG-PS begins anywhere, and jumps where recordings are joined. Here it begins at
    0, and where it jumps it goes on: a stream's first packet after the jump follows its last one before, and
    the other streams jump by the same time. Each stream jumps at its own packet, as the packets of one stream
    may arrive after the jump of another. The clocks of other formats stay as they are, unless the video
    begins before 0, which players of MP4 cut off.

    Args:
        container: A PyAV container, opened for reading.
        streams: Its streams that are read, the video first.
    """

    def __init__(self, container: Any, streams: Sequence[Any]) -> None:
        self._jumps = bool(container.format.flags & NO_ORIGIN)
        origin = Fraction(0)
        # FLV states a duration that counts from its first packet, as the two others do.
        if self._jumps or container.format.name == "flv":
            starts = [
                stream.start_time * stream.time_base
                for stream in streams
                if stream.start_time is not None and stream.type in ("video", "audio")
            ]
            origin = min(starts, default=Fraction(container.start_time or 0, 1_000_000))
        elif streams[0].start_time is not None:
            origin = min(streams[0].start_time * streams[0].time_base, Fraction(0))
        self._offsets = [-origin]  # in seconds, before the first jump, after it, and so on
        self._epochs: dict[int, int] = {}  # how many jumps each stream has made
        self._last: dict[int, tuple[Fraction, Fraction]] = {}  # each stream's last time and the one expected

    def correct(self, packet: Any) -> None:
        """Change `pts` and `dts` of the next packet of the file."""
        index, unit = packet.stream.index, packet.time_base
        if self._jumps and packet.dts is not None and packet.stream.type in ("video", "audio"):
            self._follow(index, packet.dts * unit, (packet.duration or 0) * unit)
        offset = round(self._offsets[self._epochs.get(index, len(self._offsets) - 1)] / unit)
        if offset:
            if packet.dts is not None:
                packet.dts += offset
            if packet.pts is not None:
                packet.pts += offset

    def _follow(self, index: int, raw: Fraction, duration: Fraction) -> None:
        epoch = self._epochs.setdefault(index, len(self._offsets) - 1)
        time = raw + self._offsets[epoch]
        step = duration
        if index in self._last:
            last, expected = self._last[index]

            def jumps(time: Fraction) -> bool:
                return time + _LONGEST_STEP_BACK < last or abs(time - expected) > _LONGEST_PAUSE

            if jumps(time):
                epoch += 1
                while epoch < len(self._offsets) and jumps(raw + self._offsets[epoch]):
                    epoch += 1
                if epoch == len(self._offsets):
                    self._offsets.append(expected - raw)
                self._epochs[index] = epoch
                time = raw + self._offsets[epoch]
            step = duration or time - last  # where the file says no durations
        self._last[index] = time, time + step


def stated_end(container: Any, stream: Any) -> Fraction | None:
    """Return when a stream of MP4, MOV or Matroska ends, by the file's header, in seconds; None if unknown.

    Only the header says how long the last frame of a Matroska file is shown, and in MP4 the frame that is
    shown last need not be the one that is stored last.
    """
    if container.format.name.startswith("mov"):
        if stream.duration is None:
            return None
        return Fraction(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if not container.format.name.startswith("matroska"):
        return None
    if tag := stream.metadata.get("DURATION"):  # such as 00:00:17.900000000
        try:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
        except ValueError:
            pass
    others = any(other.type == "audio" for other in container.streams)
    if container.duration is None or (others and stream.type == "video"):
        return None  # the sound may be what ends there
    return Fraction(container.duration, 1_000_000)


def skipped_samples(packet: Any) -> tuple[Fraction, Fraction]:
    """Return for how many seconds the beginning and the end of a packet of sound are not heard."""
    decoder = packet.stream.codec_context
    rate = decoder.sample_rate if decoder is not None else 0
    if not rate or not packet.has_sidedata("skip_samples"):
        return Fraction(0), Fraction(0)
    data = bytes(packet.get_sidedata("skip_samples"))
    return tuple(Fraction(int.from_bytes(data[at : at + 4], "little"), rate) for at in (0, 4))  # type: ignore[return-value]


def sound_duration(packet: Any, end: Fraction | None) -> int:
    """Return how long the last packet of an audio stream is heard, in its time base.

    Args:
        packet: A PyAV packet.
        end: When the stream ends, in seconds, where the header says so.
    """
    unit: Fraction = packet.time_base
    duration = int(packet.duration or 0)
    if end is None:
        return max(0, round(duration - skipped_samples(packet)[1] / unit))
    if packet.pts is not None and packet.pts * unit < end:
        return min(duration, round(end / unit) - int(packet.pts))
    return duration


def ends_early(container: Any, video: Any, path: Path, packets: int, reached: Fraction, read: int) -> bool:
    """Return whether a file was cut off or could not be read on, which FFmpeg reports as an ordinary end.

    Args:
        container: A PyAV container, read to its end.
        video: Its video stream.
        path: The file.
        packets: How many packets of the video it gave.
        reached: The latest time in any stream, in seconds.
        read: Where in the file the last packet ended, in bytes.
    """
    is_short = reached < Fraction(9 * (container.duration or 0), 10_000_000)
    name = container.format.name
    if name.startswith("mov"):
        return packets < len(video.index_entries)
    if name.startswith("matroska"):
        size = path.stat().st_size
        return _matroska_end(path) > size or (is_short and read < 9 * size // 10)
    if container.format.flags & NO_ORIGIN:  # which have no header, and any end may be the right one
        return False
    return is_short and reached + 1 < Fraction(9 * container.duration, 10_000_000)


def _matroska_end(path: Path) -> int:
    """Return where a Matroska file's segment ends, in bytes; 0 if it is of unknown length, as when live."""
    with path.open("rb") as file:
        for _ in range(2):  # the header of EBML, then the segment, which holds everything
            identity = file.read(4)
            first = file.read(1)
            if identity not in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67") or not first or not first[0]:
                return 0
            length = 9 - first[0].bit_length()  # of the size, which the leading zero bits say
            size = int.from_bytes(bytes([first[0] ^ 1 << 8 - length]) + file.read(length - 1), "big")
            if identity == b"\x18\x53\x80\x67":
                return 0 if size == 2 ** (7 * length) - 1 else file.tell() + size
            file.seek(size, 1)
    return 0
