"""The page as the files of a site: its own, ONNX Runtime Web, styles and examples."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fastnst.arbitrary.freeze import PAINTER
from fastnst.arbitrary.measure import ENCODER, painting_size
from fastnst.errors import FastnstError
from fastnst.model import keys
from fastnst.model.metadata import check_format, is_own, read_metadata
from fastnst.stylizer import Stylizer
from fastnst.version import __version__
from fastnst.web import onnxruntime_web
from fastnst.web.samples import Example, hero, jpeg, sample

PAGE = Path(__file__).parent / "page"

MARK = "site.json"
"""What the page reads first; a folder that has it was written here."""

Files = dict[str, bytes]

_ANY_PAINTING = "any_painting/"

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What a server answers the page with, which it cannot say itself. The isolation allows threads."""


def build_site(
    styles: Sequence[Path],
    examples: Sequence[Example],
    *,
    is_single: bool = False,
    progress: Callable[[str], None],
) -> Files:
    """Return the files of a site by their paths.

    Args:
        styles: Style files, in the order in which the page shows them.
        examples: Example photos; the first one is shown in every style.
        is_single: Build what one HTML file holds: no GPU, no service worker, no styles of paintings.
        progress: Called with a line before each step that takes seconds.

    Raises:
        FastnstError: If a style is none of fastnst's, or ONNX Runtime Web is missing.
    """
    listed = [_described(style) for style in styles]
    files = {**page_files(), **_runtime(is_single, progress), **licences()}
    if not is_single:
        files |= {f"{_ANY_PAINTING}{path.name}": path.read_bytes() for path in (ENCODER, PAINTER)}
    for path, entry in zip(styles, listed, strict=True):
        files[str(entry["file"])] = path.read_bytes()
    for example in examples:
        files[f"examples/{example.name}.jpg"] = jpeg(example.pixels)
    if examples:
        progress(f"painting {examples[0].name} in {len(styles)} styles")
        opened = [Stylizer(style) for style in styles]
        for stylizer, entry in zip(opened, listed, strict=True):
            entry["sample"] = f"samples/{entry['key']}.jpg"
            files[f"samples/{entry['key']}.jpg"] = sample(stylizer, examples[0])
        if not is_single:
            files["samples/hero.jpg"] = hero(opened, examples[0])
    files[MARK] = _json(
        {
            "fastnst": __version__,
            "styles": listed,
            "examples": [
                {"name": each.name, "title": each.title, "file": f"examples/{each.name}.jpg"}
                for each in examples
            ],
            "hero": "samples/hero.jpg" if "samples/hero.jpg" in files else None,
            "runtime": runtime_entry(is_single=is_single),
            "anyPainting": None if is_single else any_painting_entry(),
            "licences": sorted(path for path in files if path.startswith("licences/")),
        }
    )
    if not is_single:
        # For hosts that read such a file: Netlify, Cloudflare Pages.
        lines = ["/*", *(f"  {name}: {value}" for name, value in HEADERS.items())]
        files["_headers"] = "\n".join([*lines, ""]).encode()
        files["sw.js"] = _service_worker(files)
    return files


def _described(path: Path) -> dict[str, object]:
    metadata = read_metadata(path)
    if not is_own(metadata):
        raise FastnstError(
            f"{path} is no style of fastnst, whose files alone the page runs (fastnst info says what it is)"
        )
    check_format(metadata, path)
    return style_entry(path.stem, path, metadata)


def style_entry(key: str, path: Path, metadata: Mapping[str, str]) -> dict[str, object]:
    """Return what the page knows of a style.

    Args:
        key: The style's name.
        path: Its file.
        metadata: What the file says about itself.
    """
    author = metadata.get(keys.STYLE_AUTHOR, "")
    return {
        "key": key,
        "title": key.replace("_", " ").replace("-", " ").capitalize(),
        "artist": "" if author == "unknown" else author,  # as the export writes where nobody said it
        "file": f"styles/{key}.onnx",
        "bytes": path.stat().st_size,
    }


def page_files() -> Files:
    """Return the page's own files."""
    return files_in(PAGE)


def files_in(folder: Path) -> Files:
    """Return the files in a folder and its folders, but for hidden ones."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def runtime_entry(*, is_single: bool = False) -> dict[str, object]:
    """Return what the page knows of ONNX Runtime Web."""
    return {"version": onnxruntime_web.version(), "devices": _devices(is_single)}


def any_painting_entry() -> dict[str, object]:
    """Return what the page knows of making styles of paintings."""
    names = {"encoder": ENCODER, "painter": PAINTER}
    return {"size": painting_size(), **{key: f"{_ANY_PAINTING}{path.name}" for key, path in names.items()}}


def runtime_files(folder: Path, *, is_single: bool = False) -> Files:
    """Return the files of ONNX Runtime Web that are in a folder."""
    paths = {path for names in _devices(is_single).values() for path in names.values()}
    return {path: (folder / Path(path).name).read_bytes() for path in sorted(paths)}


def _devices(is_single: bool) -> dict[str, dict[str, str]]:
    if is_single:
        wasm = onnxruntime_web.DEVICES["wasm"]["wasm"]
        return {"wasm": {"module": f"runtime/{onnxruntime_web.ONE_MODULE}", "wasm": f"runtime/{wasm}"}}
    return {
        device: {role: f"runtime/{name}" for role, name in names.items()}
        for device, names in onnxruntime_web.DEVICES.items()
    }


def _runtime(is_single: bool, progress: Callable[[str], None]) -> Files:
    try:
        folder = onnxruntime_web.find(lambda: progress("taking ONNX Runtime Web from npm, once"))
    except onnxruntime_web.NotAvailableError as error:
        raise FastnstError(
            f"ONNX Runtime Web, which the page paints with, is not in this installation ({error}): install "
            "Node.js with npm, which downloads it once"
        ) from None
    return runtime_files(folder, is_single=is_single)


def licences() -> Files:
    """Return the licence of ONNX Runtime Web, and the notices of what is inside, which its package lacks."""
    files = {"licences/onnxruntime.txt": (Path(__file__).parent / "onnxruntime.LICENSE").read_bytes()}
    for package in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino"):
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        notices = Path(str(distribution.locate_file("onnxruntime/ThirdPartyNotices.txt")))
        if notices.is_file():
            files["licences/onnxruntime-third-party.txt"] = notices.read_bytes()
            break
    return files


def _service_worker(files: Files) -> bytes:
    digest = hashlib.sha256()
    for path, data in sorted(files.items()):
        digest.update(path.encode() + b"\0" + hashlib.sha256(data).digest())
    # The runtime is kept when it is first used, since no browser uses both of its forms; so are the files for
    # paintings, which not every visitor has.
    left_out = ("runtime/", _ANY_PAINTING, "licences/", "_headers", "sw.js", "index.html")
    kept = ["./", *(path for path in sorted(files) if not path.startswith(left_out))]
    version = json.dumps(digest.hexdigest()[:12])
    head = f"const VERSION = {version};\nconst FILES = {json.dumps(kept, indent=1)};\n"
    return head.encode() + files["sw.js"]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()
