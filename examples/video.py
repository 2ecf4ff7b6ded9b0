"""Paint a video with little flicker: python examples/video.py wave clip.mp4 painted.mp4."""

import sys
from pathlib import Path

from fastnst import Painter
from fastnst.video.pipeline import stylize_video
from fastnst.video.reader import VideoReader
from fastnst.video.stabilizer import Stabilizer


def main(style: str, clip: str, result: str) -> None:
    """Paint every frame of `clip`; sound, frame times and metadata are copied."""
    painter = Painter(style).for_video()
    with VideoReader(Path(clip)) as video:
        frames = stylize_video(
            video, Path(result), painter, stabilizer=Stabilizer(), on_shot=painter.begin_shot
        )
    print(f"{frames} frames in {result}")


if __name__ == "__main__":
    main(*sys.argv[1:])
