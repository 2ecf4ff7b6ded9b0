"""Sheets: where pictures and their names stand."""

from __future__ import annotations

import numpy as np
import pytest

from fastnst.image.sheet import compose_sheet, lay_out_sheet
from tests.fastnst.make_images import pixels


@pytest.mark.parametrize(
    ("count", "size", "columns"),
    [(5, (480, 320), 3), (5, (480, 48), 1), (5, (100, 480), 5), (24, (480, 480), 6), (1, (480, 320), 1)],
)
def test_the_columns_suit_the_photo_and_a_screen(count: int, size: tuple[int, int], columns: int) -> None:
    assert lay_out_sheet(count, size).columns == columns


def test_every_picture_is_whole_with_its_name_below() -> None:
    pictures = [(f"name {number}", pixels(60, 90, seed=number)) for number in range(5)]
    layout = lay_out_sheet(5, (90, 60))
    sheet = compose_sheet(pictures)
    assert sheet.shape == (*layout.size[::-1], 3)
    names = []
    for number, (_, picture) in enumerate(pictures):
        row, column = divmod(number, layout.columns)
        top, left = layout.gap + row * (layout.cell[1] + layout.gap), layout.gap
        left += column * (layout.cell[0] + layout.gap)
        cell = sheet[top : top + layout.cell[1], left : left + layout.cell[0]]
        np.testing.assert_array_equal(cell[:60], picture)
        names.append(cell[60:])
        assert names[-1].min() < 100
        assert (names[-1][-1] == 255).all()
    assert len({name.tobytes() for name in names}) == 5  # the number at the end of each
    assert (sheet[:, : layout.gap] == 255).all()


@pytest.mark.parametrize("name", ["w" * 300, "a\nb\x1b[0m", "", "\u4e2d\u6587", "caf\xe9"])
def test_a_name_stays_in_its_cell(name: str) -> None:
    grey = np.full((40, 10, 3), 128, np.uint8)  # narrower than a name
    layout = lay_out_sheet(2, (10, 40))
    sheet = compose_sheet([(name, grey), ("", grey)])
    assert (sheet[:, : layout.gap] == 255).all()
    other = compose_sheet([("", grey), ("", grey)])
    changed = np.argwhere((sheet != other).any(axis=(0, 2)))
    assert (changed.size > 0) == bool(name)
    assert changed.max(initial=0) < layout.gap + layout.cell[0]


def test_accents_are_lost_and_ends_of_long_names_are_not() -> None:
    def drawn(name: str) -> bytes:
        return compose_sheet([(name, np.zeros((8, 100, 3), np.uint8))]).tobytes()

    assert drawn("caf\xe9") == drawn("cafe")
    assert drawn("a" * 200 + "1") != drawn("a" * 200 + "2")
