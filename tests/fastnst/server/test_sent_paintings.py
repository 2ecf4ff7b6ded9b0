"""A painting that is sent with the photo paints as `fastnst stylize --style` does."""

from __future__ import annotations

import gc
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst.arbitrary import freeze, frozen_files
from fastnst.server import sent_paintings
from fastnst.server.parameters import IMAGE, MOST_STYLES
from tests.fastnst.arbitrary.conftest import stripes
from tests.fastnst.make_images import encoded, pixels
from tests.fastnst.server.conftest import PATH, Answer, Running, Serve, form

Run = Callable[..., Result]

PHOTO = encoded(pixels(33, 47), "JPEG")
BLUE = encoded(stripes(80, 120, (10, 20, 90), (160, 200, 240)))
RED = encoded(stripes(110, 90, (120, 10, 5), (250, 210, 60)), "JPEG")
SHADES = encoded(np.linspace(0, 255, 33 * 47).reshape(33, 47).astype(np.uint8))

Fields = list[tuple[str, str | bytes]]


@pytest.fixture(autouse=True)
def measured_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure paintings at 96 px: at 768 each takes a second."""
    for module in (freeze, sent_paintings):
        monkeypatch.setattr(module, "painting_size", lambda: 96)
    monkeypatch.setattr(frozen_files, "_files", {})


def ask(server: Running, *fields: tuple[str, str | bytes]) -> Answer:
    body, headers = form(*fields)
    return server.ask("POST", PATH, body, headers)


CASES: list[tuple[Fields, list[str]]] = [
    ([("style_image", BLUE), ("style_image", RED)], ["--style", "blue.png", "--style", "red.jpg"]),
    (
        [
            ("style_image", BLUE),
            ("style_image", RED),
            ("style_image_weight", "0.7"),
            ("style_image_weight", "0.3"),
            ("strength", "0.8"),
            ("preserve_color", "true"),
            ("format", "png"),
        ],
        [
            *("--style", "blue.png:0.7", "--style", "red.jpg:0.3"),
            *("--strength", "0.8", "--preserve-color", "--format", "png"),
        ],
    ),
    (
        [("style_image", RED), ("region", "negative"), ("region_mask", SHADES), ("size", "24")],
        ["--style", "red.jpg", "--region", "negative=shades.png", "--size", "24"],
    ),
]


@pytest.mark.parametrize(("fields", "options"), CASES, ids=lambda value: str(value)[:60])
def test_the_answer_is_what_the_command_writes(
    server: Running,
    run: Run,
    styles: Path,
    style_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: Fields,
    options: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (styles / "negative.onnx").symlink_to(style_files["negative"])
    for name, data in {"blue.png": BLUE, "red.jpg": RED, "shades.png": SHADES}.items():
        (tmp_path / name).write_bytes(data)
    written = run("stylize", *options, "--device", "cpu", "-", data=PHOTO)
    assert written.exit_code == 0, written.stderr
    answer = ask(server, *fields, (IMAGE, PHOTO))
    assert answer.status == 200, answer.data
    assert answer.data == written.stdout_bytes


NARROW = encoded(np.zeros((400, 70, 3), np.uint8))
SMALL = encoded(np.zeros((40, 70, 3), np.uint8))
CLEAR = encoded(np.zeros((80, 80, 4), np.uint8))

REFUSED: list[tuple[Fields, int, str]] = [
    ([("style_image", b"no picture")], 422, "the painting style_image"),
    ([("style_image", SMALL)], 422, "has 70x40 pixels: each side must have at least 64"),
    ([("style_image", NARROW)], 422, "crop it"),
    ([("style_image", CLEAR)], 422, "fully transparent"),
    ([("style_image", encoded(np.zeros((400, 400, 3), np.uint8)))], 413, "more than 100,000"),
    ([("style_image", "/etc/passwd")], 400, "style_image is a file: send it as one, in a form"),
    ([("style_image", "http://127.0.0.1/a.png")], 400, "style_image is a file"),
    ([("style_image", BLUE), ("style", "negative")], 400, "give either style or style_image"),
    (
        [("style_image", BLUE), ("style_image_weight", "1"), ("style_image_weight", "1")],
        400,
        "give each one",
    ),
    ([("style_image_weight", "1"), ("style", "negative")], 400, "there are 0 style_image and 1"),
    ([("style_image", BLUE), ("style_image_weight", "0")], 422, "must not all be 0"),
    ([("style_image", BLUE), ("style_image_weight", "-1")], 422, "style_image_weight must be 0"),
    ([("style_image", BLUE), ("style_image_weight", "nan")], 422, "style_image_weight must be 0"),
    ([("style_image", BLUE)] * (MOST_STYLES + 1), 422, f"at most {MOST_STYLES} style_image"),
]


@pytest.mark.parametrize(("fields", "status", "told"), REFUSED, ids=lambda value: str(value)[-40:])
def test_what_is_no_painting_is_refused(server: Running, fields: Fields, status: int, told: str) -> None:
    answer = ask(server, *fields, (IMAGE, PHOTO))
    assert (answer.status, told in answer.error) == (status, True), answer.data


def test_a_painting_is_measured_once_and_leaves_nothing_behind(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    measured = []
    whole = sent_paintings.measure_content
    monkeypatch.setattr(
        sent_paintings, "measure_content", lambda *args, **more: measured.append(1) or whole(*args, **more)
    )
    server = serve()
    answers = [ask(server, ("style_image", BLUE), (IMAGE, PHOTO)) for _ in range(2)]
    assert answers[0].status == 200
    assert answers[0].data == answers[1].data
    assert len(measured) == 1
    assert len(list(tmp_path.iterdir())) == 1
    # A picture that takes much memory closes the style, and its file goes.
    monkeypatch.setattr("fastnst.server.open_styles._MOST_PIXELS", 1000)
    ask(server, ("style_image", BLUE), (IMAGE, PHOTO))
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_partly_transparent_painting_is_laid_on_white(server: Running) -> None:
    rgba = np.dstack([stripes(80, 120, (10, 20, 90), (160, 200, 240)), np.full((80, 120), 255, np.uint8)])
    rgba[:40, :, 3] = 128
    white = Image.new("RGBA", (120, 80), "white")
    laid = np.asarray(Image.alpha_composite(white, Image.fromarray(rgba)).convert("RGB"))
    answers = [ask(server, ("style_image", encoded(each)), (IMAGE, PHOTO)) for each in (rgba, laid)]
    assert answers[0].status == 200
    shown = [np.asarray(Image.open(io.BytesIO(each.data))) for each in answers]
    np.testing.assert_array_equal(*shown)
