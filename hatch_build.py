"""What building the wheel adds to the package: the styles that come with fastnst, and ONNX Runtime Web."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def bundled_styles() -> tuple[str, ...]:
    """Read which styles come with fastnst, without its dependencies, which a build does not have."""
    source = Path(__file__).with_name("fastnst") / "style_library.py"
    for statement in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "BUNDLED_STYLES":
            names: tuple[str, ...] = ast.literal_eval(statement.value)
            return names
    raise ValueError(f"{source} does not say which styles come with fastnst")


def onnxruntime_web() -> ModuleType:
    """Import the module that takes ONNX Runtime Web from npm, alone: a build does not have its package."""
    path = Path(__file__).with_name("fastnst") / "web" / "onnxruntime_web.py"
    spec = importlib.util.spec_from_file_location("onnxruntime_web", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BundledFiles(BuildHookInterface[Any]):
    """Put the styles and ONNX Runtime Web into the wheel; an editable install finds them elsewhere."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, if this is not an editable build."""
        if version != "standard":
            return
        included = {f"checkpoints/{style}.onnx": f"fastnst/styles/{style}.onnx" for style in bundled_styles()}
        web = onnxruntime_web()
        try:
            folder = web.find()
        except web.NotAvailableError as error:
            self.app.display_warning(
                f"built without ONNX Runtime Web ({error}): fastnst web takes it from npm"
            )
        else:
            included |= {str(folder / name): f"fastnst/web/{web.BUNDLED.name}/{name}" for name in web.FILES}
        build_data["force_include"] = included
