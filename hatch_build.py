"""What building the wheel adds to the package: the styles that come with fastnst."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STYLES = [
    name + network
    for name in ("kandinsky", "starry_night", "the_scream", "wave")
    for network in ("", "-fast")
]


class BundledStyles(BuildHookInterface[Any]):
    """Put the styles into the wheel; in an editable install they are found in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files, if this is not an editable build."""
        if version == "standard":
            build_data["force_include"] = {
                f"checkpoints/{style}.onnx": f"fastnst/styles/{style}.onnx" for style in STYLES
            }
