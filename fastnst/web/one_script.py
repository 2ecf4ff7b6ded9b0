"""Joining ES modules into one script, for pages that are opened from a disk, where files import nothing.

It knows the forms that page/ uses: imports and exports by name, at the beginning of a line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.{1,2}/[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function\*?|class|const|let) (\w+)", re.MULTILINE)


def one_script(modules: Mapping[str, str], entry: str) -> str:
    """Return a script that does what a module does, with all modules that it imports.

    Args:
        modules: The sources of modules by their paths.
        entry: The path of the module.
    """
    parts = ["const modules = {};"]
    for path in _in_order(modules, entry):
        names = [match[2] for match in _EXPORT.finditer(modules[path])]
        source = _EXPORT.sub(r"\1 \2", modules[path])
        for match in _IMPORT.finditer(source):
            taken = match[1].replace(" as ", ": ")
            source = source.replace(match[0], f'const {{{taken}}} = modules["{_resolved(path, match[2])}"];')
        if path == entry:
            parts.append(f"(async () => {{\n{source}\n}})();")
        else:
            parts.append(f'modules["{path}"] = (() => {{\n{source}\nreturn {{ {", ".join(names)} }};\n}})();')
    return "\n".join(parts)


def _in_order(modules: Mapping[str, str], entry: str) -> list[str]:
    """Return the paths of a module and of those that it imports, which come first."""
    ordered: list[str] = []

    def add(path: str) -> None:
        for match in _IMPORT.finditer(modules[path]):
            imported = _resolved(path, match[2])
            if imported not in ordered:
                add(imported)
        ordered.append(path)

    add(entry)
    return ordered


def _resolved(path: str, imported: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), imported))
