"""The documents' script paints by the two files with ONNX Runtime Web, as ONNX Runtime does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from fastnst.arbitrary.freeze import PAINTER
from fastnst.arbitrary.measure import ENCODER
from fastnst.web import onnxruntime_web
from tests.fastnst.arbitrary.conftest import stripes

ROOT = Path(__file__).parents[3]

_AROUND = """
import * as ort from {module};
import {{ readFileSync, writeFileSync }} from "node:fs";
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = readFileSync({wasm});
globalThis.fetch = async (file) => new Response(readFileSync(file)); // as a browser finds a site's files
const pixels = (file, width, height) => ({{ data: readFileSync(file), width, height }});
const [paintingPixels, photoPixels] = [pixels("painting", 96, 80), pixels("photo", 90, 70)];
{script}
writeFileSync("painted", stylized.data);
"""


def with_alpha(image: np.ndarray) -> bytes:
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]).tobytes()


def test_it_paints_as_onnx_runtime_does(pixels: np.ndarray, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed")
    try:
        runtime = onnxruntime_web.find()
    except onnxruntime_web.NotAvailableError as error:
        pytest.skip(f"no ONNX Runtime Web: {error}")
    (script,) = re.findall(
        r"```js\n(.*?)```", (ROOT / "docs" / "any-painting.md").read_text(encoding="utf-8"), re.DOTALL
    )
    painting = stripes(80, 96, (10, 20, 90), (250, 210, 60))
    (tmp_path / "painting").write_bytes(with_alpha(painting))
    (tmp_path / "photo").write_bytes(with_alpha(pixels))
    for path in (ENCODER, PAINTER):
        shutil.copy(path, tmp_path)
    module = json.dumps((runtime / onnxruntime_web.ONE_MODULE).as_uri())
    wasm = json.dumps(str(runtime / onnxruntime_web.DEVICES["wasm"]["wasm"]))
    (tmp_path / "script.mjs").write_text(_AROUND.format(module=module, wasm=wasm, script=script))
    subprocess.run([node, "script.mjs"], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    painted = np.frombuffer((tmp_path / "painted").read_bytes(), np.uint8).reshape(pixels.shape)
    encoder, painter = (onnxruntime.InferenceSession(path) for path in (ENCODER, PAINTER))
    names = [output.name for output in encoder.get_outputs()]
    statistics = dict(zip(names, encoder.run(names, {"painting": painting[np.newaxis]}), strict=True))
    expected = painter.run(["stylized"], {"image": pixels[np.newaxis], **statistics})[0][0]
    assert np.abs(painted.astype(int) - expected).max() <= 1
