"""Generated photos: an endless source that needs no files."""

from __future__ import annotations

from train.generated.photo.image import GeneratedImage
from train.photos.photo import Photo

# Images of the series with seed 0 from this index on are held out; training never gets this far.
_FIRST_HELD_OUT = 1 << 40


class GeneratedPhotos:
    """Images of dead leaves instead of photos, see `train.generated.photo.image`.

    Args:
        validation_photos: How many images to hold out of training.

    Attributes:
        validation: The images held out, always the same ones.
    """

    def __init__(self, validation_photos: int) -> None:
        self.validation = tuple(
            generated_photo(0, _FIRST_HELD_OUT + number) for number in range(validation_photos)
        )


def generated_photo(seed: int, index: int) -> Photo:
    """Return an image of a series; training takes those with the run's seed, from index 0 on."""
    return Photo(f"generated photo {index} of seed {seed}", GeneratedImage(seed, index))
