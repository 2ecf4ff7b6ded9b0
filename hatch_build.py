"""What building the wheel adds to the package: the styles that come with fastnst."""

from __future__ import annotations

import ast
from pathlib import Path
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


class BundledStyles(BuildHookInterface[Any]):
    """Put the styles into the wheel; in an editable install they are found in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, if this is not an editable build."""
        if version == "standard":
            build_data["force_include"] = {
                f"checkpoints/{style}.onnx": f"fastnst/styles/{style}.onnx" for style in bundled_styles()
            }
