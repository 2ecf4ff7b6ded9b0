"""What `import fastnst` gives, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fastnst

HEAVY = ("numpy", "PIL", "onnxruntime", "av", "cv2", "torch", "lightning", "onnx", "train", "export")


def imported_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return its modules' top-level names."""
    probe = (
        f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_all_is_what_is_public() -> None:
    assert (
        sorted(fastnst.__all__)
        == fastnst.__all__
        == [
            "Cancellation",
            "Cancelled",
            "FastnstError",
            "FastnstWarning",
            "Painter",
            "Stylizer",
            "__version__",
            "freeze",
        ]
    )
    assert set(fastnst.__all__) <= set(dir(fastnst))
    for name in fastnst.__all__:
        assert getattr(fastnst, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Styliser'"):
        fastnst.Styliser  # noqa: B018


def test_import_and_help_are_light() -> None:
    assert imported_after("import fastnst, fastnst.errors").isdisjoint({*HEAVY, "click"})
    help_code = "from click.testing import CliRunner\nfrom fastnst.cli import cli\nimport sys\n" + "".join(
        f"assert CliRunner().invoke(cli, {arguments}).exit_code == 0\n"
        for arguments in (
            ["--help"],
            ["--version"],
            ["stylize", "-h"],
            ["info", "-h"],
            ["video", "-h"],
            ["webcam", "-h"],
            ["styles"],
        )
    )
    assert imported_after(help_code).isdisjoint(HEAVY)


def test_stylizing_imports_no_torch(models: Path, photo: Path) -> None:
    code = (
        "from fastnst.cli import cli\n"
        f"cli(['stylize', '-m', {str(models / 'strided.onnx')!r}, {str(photo)!r}], standalone_mode=False)"
    )
    modules = imported_after(code)
    assert {"numpy", "PIL", "onnxruntime"} <= modules
    assert modules.isdisjoint({"torch", "torchvision", "lightning", "onnx", "train", "export"})
