from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import FastnstError
from tests.train.make_photos import make_jpeg, make_pixels
from train.arbitrary import paintings
from train.arbitrary.paintings import Paintings
from train.photos.folder import PhotoFolder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(paintings, "_SIZES", (80, 100))
    monkeypatch.setattr(paintings, "_KEPT_SIZE", 120)
    monkeypatch.setattr(
        paintings, "draw_abstract_painting", lambda seed, size: make_pixels(120, 96, 1000 + seed)
    )


@pytest.fixture
def files(tmp_path):
    for number in range(2):
        Image.fromarray(make_pixels(140, 100, number)).save(tmp_path / f"{number}.png")
    return [tmp_path / "0.png", tmp_path / "1.png"]


def test_a_painting_is_a_function_of_its_number(files):
    first, again = Paintings(files, [], seed=3), Paintings(files, [], seed=3)
    again[7]  # what was made before does not matter
    for number in (0, 1, 7):
        assert torch.equal(first[number], again[number])
    assert first[0].shape != first[1].shape or not torch.equal(first[0], first[1])
    other = Paintings(files, [], seed=4)
    assert any(first[n].shape != other[n].shape or not torch.equal(first[n], other[n]) for n in range(3))


def test_paintings_are_large_enough_for_the_loss_and_differ_in_colour(files):
    made = [Paintings(files, [], seed=0)[number] for number in range(60)]
    assert all(min(painting.shape[2:]) >= 64 for painting in made)
    assert all(painting.shape[:2] == (1, 3) for painting in made)
    assert all(painting.min() >= 0 and painting.max() <= 1 for painting in made)
    means = torch.stack([painting.mean((0, 2, 3)) for painting in made])
    assert (means.std(0) > 0.08).all()
    given = np.stack([np.asarray(Image.open(file)).mean((0, 1)) / 255 for file in files])
    assert given.std(0).max() < 0.05  # unlike what they are made of


def test_photos_serve_as_paintings_and_unreadable_ones_do_not_end_a_run(files, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(8):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(make_jpeg(seed=number))
    names = [str(path) for path in sorted((tmp_path / "photos").iterdir())]
    folder = PhotoFolder(names, validation_photos=2)
    photos = [folder[index] for index in range(len(folder))]
    for name in names[2:]:
        Path(name).write_bytes(b"")
    made = Paintings(files, photos, seed=0)
    assert all(made[number].shape[1] == 3 for number in range(30))


def test_without_paintings_it_says_so():
    with pytest.raises(FastnstError, match="--paintings"):
        Paintings([], [], seed=0)
