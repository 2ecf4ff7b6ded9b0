"""Train one style at several strengths and brush sizes, and paint the pictures of them in docs/training.md.

    python checkpoints/gallery/paint_options.py painting.jpg folder-of-photos -- --images 500

Each variant starts from the bundled style with the painting's name. Options after -- go to every training.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from fastnst import Stylizer
from fastnst.model import keys

STRENGTHS = (3, 5, 8)
BRUSHES = (192, 384, 768)
SIDE, GAP = 384, 8


def main() -> None:
    """Write strength.jpg and brush.jpg beside this file."""
    arguments, _, options = "\n".join(sys.argv[1:]).partition("\n--\n")
    if len(arguments.splitlines()) != 2:
        sys.exit(__doc__)
    painting, data = arguments.splitlines()
    photo = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((SIDE, SIDE)))
    for picture, option, values in (("strength", "strength", STRENGTHS), ("brush", "style-size", BRUSHES)):
        painted = []
        for value in values:
            with tempfile.TemporaryDirectory() as folder:
                style = _train(
                    Path(painting), data, Path(folder), [f"--{option}={value}", *options.split("\n")]
                )
                painted.append(Stylizer(style)(photo))
                quality = Stylizer(style).metadata
                print(option, value, quality[keys.CONTENT_LOST], quality[keys.STYLE_MISSED])
        _write(Path(__file__).parent / f"{picture}.jpg", painted)


def _train(painting: Path, data: str, folder: Path, options: list[str]) -> Path:
    command = [sys.executable, "-m", "train", "--preset=quick", f"--style={painting}", f"--data={data}"]
    command += [f"--init={painting.stem}", f"--output={folder}", "--logger=none", *filter(None, options)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    style = folder / f"{painting.stem}.onnx"
    checkpoint = style.with_suffix(".ckpt")
    subprocess.run([sys.executable, "-m", "export", checkpoint, "-o", style], check=True, stdout=sys.stderr)
    return style


def _write(path: Path, pictures: list[np.ndarray]) -> None:
    height = pictures[0].shape[0]
    gap = np.full((height, GAP, 3), 255, np.uint8)
    strip = [part for picture in pictures for part in (gap, picture)][1:]
    Image.fromarray(np.concatenate(strip, axis=1)).save(path, quality=85)
    print(path)


if __name__ == "__main__":
    main()
