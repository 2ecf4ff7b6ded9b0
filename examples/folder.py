"""Paint all photos of a folder: python examples/folder.py wave photos painted."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fastnst import Stylizer


def main(style: str, photos: str, results: str) -> None:
    """Paint each JPEG of `photos` into `results`; `fastnst stylize` does so faster, and resumes."""
    stylizer = Stylizer(style)  # opened once for all photos
    folder = Path(results)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(photos).glob("*.jpg")):
        with Image.open(path) as file:
            pixels = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
        Image.fromarray(stylizer(pixels)).save(folder / path.name)
        print(folder / path.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
