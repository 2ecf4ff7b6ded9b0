"""The training environment: whether it is there, found without importing it, and how its commands are run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# What training and exporting import, by the names of their packages.
_NEEDS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "lightning": "lightning",
    "datasets": "datasets",
    "jsonargparse": "jsonargparse",
    "safetensors": "safetensors",
    "onnx": "onnx",
    "onnxscript": "onnxscript",
}

# Files of ours: any folder may be called train, and Python takes it for a package.
_MARKS = {"train": "presets/quick.yaml", "export": "style_file.py"}

# Secrets that training has no use for.
_KEPT_BACK = ("FASTNST_TOKEN",)


def missing() -> str | None:
    """Return one line that says what training needs and is not here, or None."""
    if sys.platform == "win32":
        return "Training from the page needs Linux, macOS or WSL: on Windows, use python -m train."
    if not all(_checkout(package) for package in _MARKS):
        return (
            "Training is not installed here: get the checkout of fastnst and start the page by `make serve`, "
            "which installs it."
        )
    absent = [name for module, name in _NEEDS.items() if importlib.util.find_spec(module) is None]
    if absent:
        return f"Training needs {', '.join(absent)}: `make serve` in the checkout installs all of it."
    return None


def command_environment() -> dict[str, str]:
    """Return the environment in which `python -m train` finds the packages that this process finds."""
    environment = {name: value for name, value in os.environ.items() if name not in _KEPT_BACK}
    roots = [str(root) for package in _MARKS if (root := _checkout(package)) is not None]
    before = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*roots, *filter(None, [before])]))
    return environment


@cache
def has_gpu() -> bool:
    """Return whether there seems to be a GPU that training uses; PyTorch, which knows, takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return False
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        listed = subprocess.run([program, "-L"], capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and b"GPU" in listed.stdout


def _checkout(package: str) -> Path | None:
    """Return the folder that holds a package of this project, or None."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent
    return folder.parent if (folder / _MARKS[package]).is_file() else None
