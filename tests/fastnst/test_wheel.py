"""The wheel alone, in a fresh virtual environment, stylises."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.style_library import BUNDLED_STYLES
from fastnst.web import onnxruntime_web
from fastnst.web.site import PAGE
from tests.fastnst.make_images import pixels

CHECKOUT = Path(__file__).parents[2]

# What pip and uv say when no package index answers; any other failure is the wheel's.
UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|dns error|connection (refused|reset)|connecterror|timed? ?out"
    r"|temporary failure in name resolution|network is unreachable|newconnectionerror|max retries exceeded",
    re.IGNORECASE,
)

# The wheel's dependencies and theirs; nothing of training.
EXPECTED = {
    "fastnst",
    "click",
    "colorama",
    "flatbuffers",
    "numpy",
    "onnxruntime",
    "packaging",
    "pillow",
    "protobuf",
}
FORMERLY_OF_ONNXRUNTIME = {"coloredlogs", "humanfriendly", "mpmath", "sympy"}


def run(*command: object, cwd: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "FASTNST_STYLES", "VIRTUAL_ENV")
    }
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    said = result.stdout + result.stderr
    if result.returncode and "install" in command and UNREACHABLE.search(said):
        pytest.skip(f"the package index is out of reach: {said.strip().splitlines()[-1]}")
    assert result.returncode == 0, said
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=CHECKOUT)
    (path,) = folder.glob("fastnst-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts' folder of a virtual environment that holds the wheel and onnxruntime."""
    home = tmp_path_factory.mktemp("installed")
    scripts = home / "venv" / ("Scripts" if os.name == "nt" else "bin")
    uv = shutil.which(
        "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if uv is not None:
        run(uv, "venv", "--python", sys.executable, home / "venv", cwd=home)
        run(uv, "pip", "install", "--python", scripts / "python", f"{wheel}[cpu]", cwd=home)
    else:
        run(sys.executable, "-m", "venv", home / "venv", cwd=home)
        run(scripts / "python", "-m", "pip", "install", "--quiet", f"{wheel}[cpu]", cwd=home)
    return scripts


def test_the_wheel_holds_the_runtime_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fastnst"}
    assert {"fastnst/stylizer.py", "fastnst/cli/stylize.py", "fastnst/py.typed"} <= set(names)
    assert {"fastnst/arbitrary/encoder.onnx", "fastnst/arbitrary/painter.onnx"} <= set(names)
    assert wheel.stat().st_size < 30e6
    page = {path.relative_to(CHECKOUT).as_posix() for path in PAGE.rglob("*") if path.is_file()}
    assert len(page) > 20
    assert page <= set(names)
    # Without npm a wheel is built without the runtime.
    carried = {Path(name).name for name in names if name.startswith("fastnst/web/onnxruntime-web/")}
    assert carried in (set(), set(onnxruntime_web.FILES))
    assert not any("node_modules" in name for name in names)


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_installed_command_stylises(installed: Path, models: Path, tmp_path: Path) -> None:
    image = pixels(30, 41)
    Image.fromarray(image).save(tmp_path / "photo.png")
    said = run(installed / "fastnst", "stylize", "-m", models / "invert.onnx", "photo.png", cwd=tmp_path)
    assert said.startswith("photo.invert.png\t")
    with Image.open(tmp_path / "photo.invert.png") as result:
        np.testing.assert_array_equal(np.asarray(result), 255 - image)
    assert run(installed / "fastnst", "--version", cwd=tmp_path).startswith("fastnst ")


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_installed_package_needs_no_training(installed: Path, models: Path, tmp_path: Path) -> None:
    code = (
        "import json, sys, importlib.metadata, numpy, fastnst\n"
        f"fastnst.Stylizer({str(models / 'strided.onnx')!r})(numpy.zeros((5, 6, 3), 'uint8'))\n"
        "names = [d.metadata['Name'].lower() for d in importlib.metadata.distributions()]\n"
        "print(json.dumps([fastnst.__file__, names, sorted(sys.modules)]))"
    )
    file, names, modules = json.loads(run(installed / "python", "-c", code, cwd=tmp_path))
    assert Path(file).is_relative_to(installed.parent)
    assert set(names) - {"pip", "setuptools", "wheel"} - FORMERLY_OF_ONNXRUNTIME <= EXPECTED
    assert {"torch", "train", "export", "onnx"}.isdisjoint(modules)


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_installed_command_writes_the_page(installed: Path, wheel: Path, tmp_path: Path) -> None:
    if "fastnst/web/onnxruntime-web/ort.wasm.min.mjs" not in zipfile.ZipFile(wheel).namelist():
        pytest.skip(
            "the wheel was built without ONNX Runtime Web: npm is missing, or does not reach its registry"
        )
    name = min(BUNDLED_STYLES)
    run(installed / "fastnst", "web", "-o", "site", "-m", name, cwd=tmp_path)
    assert (tmp_path / "site/index.html").is_file()
    assert (tmp_path / f"site/styles/{name}.onnx").stat().st_size > 10_000
    assert (tmp_path / "site/runtime/ort-wasm-simd-threaded.wasm").stat().st_size > 5e6


@pytest.mark.network
@pytest.mark.timeout(600)
def test_the_styles_of_the_wheel_are_listed(installed: Path, wheel: Path, tmp_path: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    carried = {Path(name).stem for name in names if re.fullmatch(r"fastnst/styles/[^/]+\.onnx", name)}
    listed = json.loads(run(installed / "fastnst", "styles", "--json", cwd=tmp_path))
    assert {style["name"] for style in listed if style["source"] == "bundled"} == carried
    assert all(style["error"] is None for style in listed)
    assert carried == set(BUNDLED_STYLES)
    if carried:
        Image.fromarray(pixels(20, 30)).save(tmp_path / "photo.png")
        name = sorted(carried)[0]
        run(installed / "fastnst", "stylize", "-m", name, "photo.png", cwd=tmp_path)
        with Image.open(tmp_path / f"photo.{name}.png") as result:
            assert result.size == (30, 20)
