"""The API paints what the command paints."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst.errors import FastnstWarning
from fastnst.server.parameters import IMAGE, PARAMETERS
from tests.fastnst import tiny_models
from tests.fastnst.make_images import encoded, pixels
from tests.fastnst.server.conftest import DARK, PATH, Running, Serve, form

Run = Callable[..., Result]

PHOTO = pixels(33, 47)
SHADES = encoded(np.linspace(0, 255, 33 * 47).reshape(47, 33).astype(np.uint8))
OTHERS = encoded(np.linspace(255, 0, 33 * 47).reshape(47, 33).astype(np.uint8))


def photo(file_format: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera Obscura", 6
    return encoded(PHOTO, file_format, exif=exif.tobytes(), dpi=(300, 300))


def animation() -> bytes:
    frames = [Image.fromarray(pixels(9, 9, seed)) for seed in (1, 2)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


Fields = list[tuple[str, str | bytes]]


def in_format(name: str) -> tuple[bytes, Fields, list[str]]:
    return photo(), [("style", "negative"), ("format", name)], ["-m", "negative", "--format", name]


CASES: list[tuple[bytes, Fields, list[str]]] = [
    (photo(), [("style", "negative")], ["-m", "negative"]),
    (photo("JPEG"), [("style", "negative")], ["-m", "negative"]),
    (encoded(pixels(9, 8, channels=4)), [("style", "negative")], ["-m", "negative"]),
    (encoded(PHOTO, "PPM"), [("style", "negative")], ["-m", "negative"]),
    (photo(), [("style", "negative"), ("strength", "0.7")], ["-m", "negative", "--strength", "0.7"]),
    (photo(), [("style", "negative"), ("preserve_color", "true")], ["-m", "negative", "--preserve-color"]),
    (photo(), [("style", "negative"), ("preserve_color", "false")], ["-m", "negative"]),
    (
        photo(),
        [("style", "negative"), ("size", "20"), ("detail", "0.5")],
        ["-m", "negative", "--size", "20", "--detail", "0.5"],
    ),
    (photo(), [("style", "negative:0.7"), ("style", "same:0.3")], ["--blend", "negative:0.7,same:0.3"]),
    (photo(), [("style", "negative,same")], ["--blend", "negative,same"]),
    (photo(), [("style", "negative"), ("mask", SHADES)], ["-m", "negative", "--mask", "shades.png"]),
    (
        photo(),
        [
            ("style", "same"),
            ("region", "negative"),
            ("region_mask", SHADES),
            ("region", "same:1,negative:2"),
            ("region_mask", OTHERS),
        ],
        ["-m", "same", "--region", "negative=shades.png", "--region", "same:1,negative:2=others.png"],
    ),
    (photo(), [("region", "negative"), ("region_mask", SHADES)], ["--region", "negative=shades.png"]),
    (
        photo(),
        [("style", "negative"), ("format", "jpg"), ("quality", "60")],
        ["-m", "negative", "--format", "jpg", "--quality", "60"],
    ),
    *map(in_format, ("webp", "tiff", "bmp", "PNG", ".jpeg")),
    (animation(), [("style", "negative"), ("first_frame", "1")], ["-m", "negative", "--first-frame"]),
]


@pytest.mark.parametrize(("image", "fields", "options"), CASES, ids=lambda value: str(value)[:60])
def test_the_answer_is_what_the_command_writes(
    server: Running,
    run: Run,
    styles: Path,
    style_files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    image: bytes,
    fields: Fields,
    options: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("negative", "same"):
        (styles / f"{name}.onnx").symlink_to(style_files[name])
    (tmp_path / "shades.png").write_bytes(SHADES)
    (tmp_path / "others.png").write_bytes(OTHERS)
    written = run("stylize", *options, "--device", "cpu", "-", data=image)
    assert written.exit_code == 0, written.stderr

    body, headers = form(*fields, (IMAGE, image))
    answer = server.ask("POST", PATH, body, headers)
    assert answer.status == 200, answer.data
    assert answer.data == written.stdout_bytes
    with Image.open(io.BytesIO(answer.data)) as result:
        assert answer.headers["content-type"] == Image.MIME[str(result.format)]
    if not any(isinstance(value, bytes) for _, value in fields):
        query = "&".join(f"{name}={quote(str(value))}" for name, value in fields)
        assert server.paint(query, image).data == answer.data


def test_every_parameter_is_compared_with_the_command() -> None:
    compared = {name for _, fields, _ in CASES for name, _ in fields}
    # Those of test_sent_paintings.py.
    assert compared | {"style_image", "style_image_weight"} == {each.name for each in PARAMETERS}


REFUSED: list[tuple[Fields, int, str]] = [
    ([], 400, "give a style: there are negative, endless, same"),
    ([("style", "negativ")], 422, "no style is called 'negativ': did you mean negative?"),
    ([("style", "")], 422, "a blend is STYLE:WEIGHT"),
    ([("style", "negative:0")], 422, "the weights of a blend must not all be 0"),
    ([("style", "negative:nan")], 422, "must be a number from 0 up"),
    ([("style", "negative"), ("style", "negative")], 422, "negative comes twice"),
    ([("style", "negative:1,same")], 422, "a weight, or none"),
    ([("style", "negative"), ("strenght", "1")], 400, "no parameter 'strenght': did you mean strength?"),
    ([("style", "negative"), ("url", "http://localhost/a.png")], 400, "there is no parameter 'url'"),
    ([("style", "negative"), ("strength", "2.5")], 422, "strength must be 0 to 2, not 2.5"),
    ([("style", "negative"), ("strength", "nan")], 422, "strength must be 0 to 2"),
    ([("style", "negative"), ("strength", "much")], 400, "strength must be a number, not 'much'"),
    ([("style", "negative"), ("strength", "1"), ("strength", "1")], 400, "strength comes twice"),
    ([("style", "negative"), ("size", "15")], 422, "size must be at least 16"),
    ([("style", "negative"), ("size", "16.5")], 400, "size must be a whole number"),
    ([("style", "negative"), ("size", "9" * 5000)], 400, "size must be a whole number"),
    ([("style", "negative"), ("size", "4000")], 413, "at size 4000 the image has 4000x4000 pixels"),
    ([("style", "negative"), ("detail", "0.5")], 422, "give a size too"),
    ([("style", "negative"), ("preserve_color", "maybe")], 400, "preserve_color must be true or false"),
    ([("style", "negative"), ("quality", "101")], 422, "quality must be 1 to 100"),
    ([("style", "negative"), ("format", "exe")], 422, "format must be one of jpg"),
    ([("style", "negative"), ("region", "negative")], 400, "there are 1 region and 0 region_mask"),
    ([("style", "negative"), ("mask", "mask.png")], 400, "mask is a file"),
    ([("style", "negative"), ("mask", b"nothing")], 422, "mask is no image"),
    ([("style", "negative"), ("strength", b"1")], 400, "strength is no file"),
    ([("style", "negative"), (IMAGE, DARK)], 400, "image comes twice"),
    ([("style", ",".join(f"negative{n}" for n in range(9)))], 422, "no style is called"),
    ([("region", "negative"), ("region_mask", DARK)] * 9, 422, "at most 8 styles and 8 regions"),
]


@pytest.mark.parametrize(("fields", "status", "message"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_painted_is_said_in_one_line(
    server: Running, fields: Fields, status: int, message: str
) -> None:
    body, headers = form(*fields, (IMAGE, DARK))
    answer = server.ask("POST", PATH, body, headers)
    assert (answer.status, message in answer.error) == (status, True), answer.data


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../negative",
        "negative.onnx",
        "http://localhost/x.onnx",
        "file:///x.onnx",
        "~/x.onnx",
        "\0",
    ],
)
def test_no_path_is_ever_a_style(server: Running, style_files: dict[str, Path], name: str) -> None:
    for each in (name, str(style_files["negative"])):
        answer = server.paint(f"style={quote(each, safe='')}")
        assert (answer.status, answer.error.startswith("no style is called")) == (422, True)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "there is no image"),
        (b"no image", 422, "the image is no image that fastnst reads"),
        (encoded(PHOTO)[:400], 422, "the image is damaged or cut short"),
        (animation(), 422, "first_frame=true takes the first of them"),
        (
            encoded(np.zeros((400, 300), np.uint8)),
            413,
            "the image has 300x400 = 120,000 pixels, more than 100,000",
        ),
    ],
)
def test_images_that_cannot_be_painted(server: Running, body: bytes, status: int, message: str) -> None:
    answer = server.paint("style=negative", body)
    assert (answer.status, message in answer.error) == (status, True), answer.data


def test_a_mask_has_the_images_limit(server: Running) -> None:
    mask = encoded(np.zeros((400, 300), np.uint8))
    body, headers = form(("style", "negative"), ("mask", mask), (IMAGE, DARK))
    answer = server.ask("POST", PATH, body, headers)
    assert (answer.status, answer.error.startswith("mask has 300x400")) == (413, True)


def test_styles_come_go_and_change(serve: Serve, styles: Path) -> None:
    server = serve(None)
    assert json.loads(server.get("/api/v1/styles").data) == []
    tiny_models.invert(styles / "odd, name:0.5.onnx")
    (styles / "damaged.onnx").write_bytes(b"nothing")
    (listed,) = json.loads(server.get("/api/v1/styles").data)
    assert listed["name"] == "odd, name:0.5"
    assert listed["metadata"]["style.licence"] == "CC0-1.0"
    assert str(styles) not in server.get("/api/v1/styles").data.decode()
    query = f"style={quote(listed['name'])}"
    black, white = (encoded(np.full((3, 3, 3), value, np.uint8)) for value in (0, 255))
    assert server.paint(query, black).data == white
    tiny_models.endless(styles / "odd, name:0.5.onnx", while_above=255)
    assert server.paint(query, black).data == black
    (styles / "odd, name:0.5.onnx").unlink()
    assert server.paint(query, black).status == 422
    with pytest.warns(FastnstWarning, match=r"damaged\.onnx is no ONNX model"):
        damaged = server.paint("style=damaged")
    assert damaged.status == 500
    assert damaged.error == "the style damaged cannot be opened; the server's log says why"


def test_the_description_says_what_is_read(server: Running) -> None:
    document = json.loads(server.get("/openapi.json").data)
    post = document["paths"][PATH]["post"]
    in_form = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(in_form) == {IMAGE, *(each.name for each in PARAMETERS)}
    in_query = {each["name"]: each for each in post["parameters"]}
    assert set(in_query) == {each.name for each in PARAMETERS if each.kind != "file"}
    style: dict[str, Any] = {"style": ["negative"]}
    for name, described in in_query.items():
        if name == "style_image_weight":  # of paintings, which only a form can hold
            continue
        schema = described["schema"].get("items", described["schema"])
        assert in_form[name]["description"] == described["description"]
        values = [schema[key] for key in ("minimum", "maximum", "default") if key in schema]
        for value in [*values, *schema.get("enum", [])]:
            wish = {**style, name: [str(value).lower()], **({"size": ["20"]} if name == "detail" else {})}
            query = "&".join(f"{key}={text}" for key, texts in wish.items() for text in texts)
            if value == "avif" and "AVIF" not in Image.MIME:
                continue
            assert server.paint(query).status == 200, (name, value)
        for key, step in (("minimum", -1), ("maximum", 1)):
            if key in schema:
                assert server.paint(f"style=negative&{name}={schema[key] + step}").status == 422, (name, key)
    for path, methods in document["paths"].items():
        for method in methods:
            assert server.ask(method.upper(), path).status in (200, 400), path


def test_counts_for_prometheus(serve: Serve) -> None:
    server = serve()
    server.paint("style=negative")
    server.paint("style=nobody")
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.data.decode().splitlines()
    assert f'fastnst_answers_total{{path="{PATH}",status="200"}} 1' in lines
    assert f'fastnst_answers_total{{path="{PATH}",status="422"}} 1' in lines
    assert "fastnst_painting_seconds_count 1" in lines
    assert "fastnst_painted_pixels_total 64" in lines
    assert "fastnst_held_bytes 0" in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert any(name.startswith(each) for each in named), line
            float(value)


def test_the_commands_of_the_document(server: Running, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    document = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    found = re.findall(r"^curl .*(?:\n  .*)*$", document, re.MULTILINE)
    commands = [each for each in found if "/trainings" not in each]  # test_training.py has those
    assert len(commands) == 2
    (tmp_path / "photo.jpg").write_bytes(photo("JPEG"))
    (tmp_path / "sky.png").write_bytes(SHADES)
    here = {"curl": "curl -fsS", "=wave": "=negative", "=kandinsky": "=same", "1:8000": f"1:{server.port}"}
    for command in commands:
        for shown, meant in here.items():
            command = command.replace(shown, meant)
        subprocess.run(["sh", "-ec", command], cwd=tmp_path, check=True)
    for name in ("wave.jpg", "sky.png"):
        with Image.open(tmp_path / name) as painted:
            assert painted.size == (33, 47)
