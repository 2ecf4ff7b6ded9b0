"""`fastnst styles` as it is documented, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from tests.fastnst import tiny_models

Run = Callable[..., Result]


def test_styles(run: Run, styles: Path) -> None:
    empty = run("styles")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert str(styles) in empty.stderr
    tiny_models.invert(styles / "negative.onnx")
    tiny_models.invert_float(styles / "plain.onnx")
    (styles / "broken.onnx").write_bytes(b"hello")
    result = run("styles")
    assert result.exit_code == 0
    header, negative, plain = result.stdout.splitlines()
    assert header.split() == ["style", "C", "S3", "MB", "style", "image", "from", "file"]
    assert negative.split()[:6] == ["negative", "0.36", "0.033", "0.0", "0123456789ab", "user"]
    assert plain.split()[:6] == ["plain", "-", "-", "0.0", "-", "user"]
    assert result.stderr.startswith("fastnst: error: ")
    assert "broken.onnx" in result.stderr
    told = {style["name"]: style for style in json.loads(run("styles", "--json").stdout)}
    assert told["negative"]["metadata"] == tiny_models.CONTRACT
    assert "no ONNX model" in told["broken"]["error"]
