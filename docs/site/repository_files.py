"""A MkDocs hook: pages and pictures of the site that lie elsewhere in the repository.

A link that leaves docs/, such as `../checkpoints/gallery/wave.jpg`, works on a forge. On the site it leads to
a copy of that file, which this hook adds; so no picture is committed twice.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
# Documents that lie beside what they describe, and are pages of the site.
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "bench/RESULTS.md",
    "checkpoints/README.md",
    "train/loss/COMPACT.md",
)
ICON = ROOT / "fastnst" / "web" / "page" / "icon.svg"
LINK = re.compile(r"(?<=\]\()[^)#\s:]+(?=[)#])|(?<=(?:src|ref)=\")[^\"#:]+(?=[\"#])")
FOLDER = re.compile(r"(?<!!)\[(?P<name>[^\]\n]+)\]\((?P<target>[^)#\s:]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the documents of other folders, and every file of the repository that a page links to."""
    files.append(File.generated(config, "site/icon.svg", abs_src_path=str(ICON)))
    for path in PAGES:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for page in list(files.documentation_pages()):
        for target in LINK.findall(page.content_string):
            path = _repository_path(page.src_uri, target)
            if path and files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that leave a document's folder lead to the site's copies."""
    depth = page.file.src_uri.count("/")
    # A site has no page for a folder: its name stays.
    markdown = FOLDER.sub(
        lambda link: link["name"] if _is_folder(page.file.src_uri, link["target"]) else link[0], markdown
    )

    def rewrite(match: re.Match[str]) -> str:
        path = _repository_path(page.file.src_uri, match[0])
        return "../" * depth + path if path else match[0]

    return LINK.sub(rewrite, markdown)


def _repository_path(page: str, target: str) -> str | None:
    """The path on the site of the file that `target` names, as seen from `page`; None if it is no file."""
    file = _beside(page, target)
    if not file.is_file() or not file.is_relative_to(ROOT):
        return None
    if file == ROOT / "README.md":
        return "index.md"  # the site's first page tells what the README does
    path = file.relative_to(ROOT / "docs") if file.is_relative_to(ROOT / "docs") else file.relative_to(ROOT)
    return path.as_posix()


def _is_folder(page: str, target: str) -> bool:
    return _beside(page, target).is_dir()


def _beside(page: str, target: str) -> Path:
    """The place that `target` names, as seen from the source of `page`."""
    source = ROOT / page if page in PAGES else ROOT / "docs" / page
    return (source.parent / target).resolve()
