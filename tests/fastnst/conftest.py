"""What the runtime's tests share: models made on the spot, an empty style library, and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fastnst import style_library
from fastnst.cli import cli
from tests.fastnst import tiny_models
from tests.fastnst.make_images import pixels

ERROR = "fastnst: error: "


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, each named after what makes it."""
    folder = tmp_path_factory.mktemp("models")
    for make in (
        tiny_models.invert,
        tiny_models.invert_float,
        tiny_models.strided,
        tiny_models.doubling,
        tiny_models.not_a_number,
        tiny_models.classifier,
        tiny_models.no_image_input,
        tiny_models.two_inputs,
        tiny_models.external_weights,
    ):
        make(folder / f"{make.__name__}.onnx")
    tiny_models.invert_float(folder / "fixed.onnx", shape=(1, 3, 48, 64))
    return folder


@pytest.fixture(autouse=True)
def styles(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's style folder, empty, and the only one: what is trained in this checkout must not count."""
    folder = tmp_path_factory.mktemp("user styles")
    monkeypatch.setenv("FASTNST_STYLES", str(folder))
    found = style_library.style_folders
    monkeypatch.setattr(style_library, "style_folders", lambda: [f for f in found() if f[0] == "user"])
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small colourful PNG."""
    path = tmp_path / "photo.png"
    Image.fromarray(pixels(12, 17)).save(path)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in this process."""

    def invoke(*arguments: object, data: bytes | None = None) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=data)

    return invoke


@pytest.fixture
def fails(run: Callable[..., Result]) -> Callable[..., str]:
    """Run a command that must fail with exit code 2 and one line on stderr, and return the line."""

    def invoke(*arguments: object, data: bytes | None = None) -> str:
        result = run(*arguments, data=data)
        assert result.exit_code == 2, (result.output, result.exception)
        assert result.stdout == ""
        assert result.stderr.startswith(ERROR)
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix(ERROR).strip()

    return invoke
