"""`fastnst web`: the page that paints in the visitor's browser."""

from __future__ import annotations

from pathlib import Path

import click

from fastnst.cli.one_line import note, print_result, warnings_as_lines
from fastnst.cli.page_options import page_options
from fastnst.errors import FastnstError

_EXAMPLES = """\b
Examples:
  fastnst web -o site/                              the bundled styles, as a folder for any web server
  fastnst web -m wave -m mine.onnx -o site/         these styles
  fastnst web --single page.html -m wave            one HTML file, which also opens from the disk
  python -m http.server -d site/                    shows it at http://localhost:8000
"""


@click.command(short_help="Write a page that paints in the browser.", epilog=_EXAMPLES)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="The site's folder.")
@click.option(
    "--single",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="One HTML file instead, which makes no styles of paintings.",
)
@page_options("the bundled styles")
@click.option("--overwrite", is_flag=True, help="Replace a site or file that exists.")
def web(
    output: Path | None,
    single: Path | None,
    models: tuple[str, ...],
    examples: tuple[Path, ...],
    overwrite: bool,
) -> None:
    """Write a page that paints photos in the visitor's own browser; nothing is uploaded.

    The folder works on any web server; over HTTPS, or on localhost, also without a network after the first
    visit. The page paints by ONNX Runtime Web, on the GPU where the browser has WebGPU, with the
    same style files and within one level of the same result as `fastnst stylize`.
    """
    from fastnst.arbitrary.frozen_files import find_or_freeze
    from fastnst.style_library import list_bundled_styles
    from fastnst.web.samples import example_photos
    from fastnst.web.single import check_file, single_page, write_file
    from fastnst.web.site import build_site
    from fastnst.web.write import check_folder, size_of, write_folder

    if (output is None) == (single is None):
        raise FastnstError("give either -o FOLDER or --single FILE")
    if output is not None:
        check_folder(output, replace=overwrite)
    else:
        check_file(Path(str(single)), replace=overwrite)
    styles = [find_or_freeze(model) for model in models] or [style.path for style in list_bundled_styles()]
    if not styles:
        raise FastnstError("there are no bundled styles here: name one with -m")
    names = [style.stem for style in styles]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FastnstError(f"two styles are called {twice[0]}: rename a file")
    with warnings_as_lines():
        photos = example_photos(examples)
        if not photos:
            note("no example photos: name some with --example, or pip install scikit-image")
        files = build_site(styles, photos, is_single=single is not None, progress=note)
        if output is not None:
            write_folder(files, output)
            print_result(output, f"{size_of(files) / 1e6:.1f} MB")
            note(f"python -m http.server -d {output} shows it at http://localhost:8000")
        else:
            page = single_page(files)
            write_file(page, Path(str(single)), replace=overwrite)
            print_result(Path(str(single)), f"{len(page) / 1e6:.1f} MB")
