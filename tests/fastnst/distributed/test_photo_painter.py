"""What an actor of a cluster does with a table of photos, without the cluster."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow comes with fastnst[ray]")
fsspec = pytest.importorskip("fsspec", reason="fsspec comes with fastnst[ray]")

from fastnst import FastnstError  # noqa: E402
from fastnst.distributed import ColumnPainter, FilePainter, paint_column, paint_files  # noqa: E402
from fastnst.distributed.file_plan import plan_files  # noqa: E402
from fastnst.distributed.photo_painter import StyleFile  # noqa: E402
from fastnst.distributed.ray_data import rows_left  # noqa: E402
from tests.fastnst.make_images import encoded, pixels  # noqa: E402

Run = Callable[..., Result]
SCHEMA = pyarrow.schema([(name, pyarrow.string()) for name in ("image", "result", "error")])


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, data in (
        ("1.png", encoded(pixels(5, 6))),
        ("a/2.jpg", encoded(pixels(7, 8), "JPEG")),
        ("a/b/3.gif", encoded(Image.fromarray(pixels(4, 4)[..., 0]), "GIF")),
        ("a/bad.png", b"no image"),
        ("a/empty.jpg", b""),
        ("a/same.gif", encoded(pixels(3, 3)[..., 0], "GIF")),
        ("a/same.png", encoded(pixels(3, 3))),
        (".hidden/4.png", encoded(pixels(5, 6))),
        ("notes.txt", b"text"),
    ):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    return tmp_path / "photos"


@pytest.fixture
def bucket(photos: Path) -> Iterator[str]:
    """The same photos in an object store."""
    store = fsspec.filesystem("memory")
    for path in photos.rglob("*"):
        if path.is_file():
            store.pipe(f"/bucket/{path.relative_to(photos.parent).as_posix()}", path.read_bytes())
    yield "memory://bucket"
    store.rm("/bucket", recursive=True)


def paint(painter: FilePainter, rows: list[dict[str, str | None]]) -> dict[str, dict[str, object]]:
    outcomes = painter(pyarrow.Table.from_pylist(rows, SCHEMA)).to_pylist()
    return {Path(str(row["image"])).name: row for row in outcomes}


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def plan(source: str, output: str, *, overwrite: bool = False) -> list[dict[str, str | None]]:
    return plan_files(source, output, "invert", suffix=None, overwrite=overwrite, recursive=True)


def test_files_have_the_names_the_bytes_and_the_lines_of_the_command(
    run: Run, photos: Path, invert: Path
) -> None:
    command = run("stylize", "-m", invert, "-r", "photos", "-o", "expected")
    painter = FilePainter(StyleFile.find(invert))
    outcomes = paint(painter, plan("photos", "painted"))
    assert files(Path("painted")) == files(Path("expected"))
    assert len(files(Path("painted"))) == 4
    statuses = {name: row["status"] for name, row in outcomes.items()}
    assert statuses == {
        "1.png": "painted",
        "2.jpg": "painted",
        "3.gif": "painted",
        "same.gif": "painted",
        "same.png": "failed",
        "bad.png": "failed",
        "empty.jpg": "failed",
    }
    lines = re.findall(r"fastnst: error: (.*)\n", command.stderr)
    failed = "\n".join(sorted(str(row["error"]) for row in outcomes.values() if row["error"]))
    assert failed.replace(f"{photos.parent}/", "").replace("painted/", "expected/").splitlines() == sorted(
        lines
    )
    assert all((row["milliseconds"] is None) == (row["status"] != "painted") for row in outcomes.values())


def test_what_is_done_is_not_painted_again(photos: Path, invert: Path) -> None:
    painter = FilePainter(invert)
    rows = plan("photos", "painted")
    Path("painted").mkdir()
    Path("painted/1.invert.png").write_bytes(b"precious")  # written after the plan, as by an actor that died
    assert paint(painter, rows)["1.png"]["status"] == "skipped"
    assert Path("painted/1.invert.png").read_bytes() == b"precious"
    assert {Path(str(row["image"])).name for row in plan("photos", "painted")} == {
        "bad.png",
        "empty.jpg",
        "same.png",
    }
    again = paint(FilePainter(invert, overwrite=True), plan("photos", "painted", overwrite=True))
    assert again["1.png"]["status"] == "painted"
    assert Path("painted/1.invert.png").read_bytes() != b"precious"


def test_an_object_store_gets_the_same_files(photos: Path, bucket: str, invert: Path) -> None:
    store = fsspec.filesystem("memory")
    paint(FilePainter(invert), plan("photos", "expected"))
    rows = plan(f"{bucket}/photos", f"{bucket}/photos/painted/")
    outcomes = paint(FilePainter(invert), rows)
    found = {
        path.removeprefix("/bucket/photos/painted/"): store.cat(path)
        for path in store.find("/bucket/photos/painted")
    }
    assert found == files(Path("expected"))
    assert outcomes["bad.png"]["error"] == (
        "memory://bucket/photos/a/bad.png is no image that fastnst reads, or its header is damaged"
    )
    assert str(outcomes["same.png"]["error"]).endswith("rename one of them")
    left = plan(f"{bucket}/photos", f"{bucket}/photos/painted/")
    assert {Path(str(row["image"])).name for row in left} == {"bad.png", "empty.jpg", "same.png"}
    gone = paint(
        FilePainter(invert), [{**rows[0], "image": f"{bucket}/gone.png", "result": f"{bucket}/x.png"}]
    )
    assert gone["gone.png"]["error"] == "memory://bucket/gone.png does not exist"
    with pytest.raises(FastnstError, match="holds no images"):
        plan(f"{bucket}/nothing", f"{bucket}/painted")
    # From the disk into the store, and back.
    paint(FilePainter(invert), plan("photos", f"{bucket}/up"))
    assert store.cat("/bucket/up/a/2.invert.jpg") == Path("expected/a/2.invert.jpg").read_bytes()
    paint(FilePainter(invert), plan(f"{bucket}/photos/", "down"))  # where painted/ holds earlier results
    assert files(Path("down")) == files(Path("expected"))
    # Beside the photos, results are no photos.
    store.rm("/bucket/photos/painted", recursive=True)
    paint(FilePainter(invert), plan(f"{bucket}/photos", f"{bucket}/photos"))
    left = plan(f"{bucket}/photos", f"{bucket}/photos")
    assert {Path(str(row["image"])).name for row in left} == {"bad.png", "empty.jpg", "same.png"}


def test_a_file_address_is_a_path(photos: Path, invert: Path) -> None:
    photos.rename(photos.with_name("100% mine"))
    source, output = (Path(name).absolute().as_uri() for name in ("100% mine", "my results"))
    paint(FilePainter(invert), plan(source, output))
    assert len(files(Path("my results"))) == 4
    assert len(plan(source, output)) == 3


def test_a_column_of_images(run: Run, photos: Path, invert: Path) -> None:
    data = [path.read_bytes() for path in (photos / "1.png", photos / "a/2.jpg", photos / "a/bad.png")]
    run("stylize", "-m", invert, "-r", "photos", "-o", "expected")
    expected = [Path("expected", name).read_bytes() for name in ("1.invert.png", "a/2.invert.jpg")]
    table = pyarrow.table({"id": [1, 2, 3, 4], "image": [*data, None]})
    painted = ColumnPainter(invert)(table)
    assert painted.column_names == ["id", "image", "painted", "error"]
    rows = painted.to_pylist()
    assert [row["painted"] for row in rows] == [*expected, None, None]
    assert [row["error"] for row in rows] == [
        None,
        None,
        "the image is no image that fastnst reads, or its header is damaged",
        "the image is null",
    ]
    structs = pyarrow.table({"photo": [{"bytes": data[0], "path": "1.png"}]})
    (row,) = ColumnPainter(invert, column="photo", painted="wave", suffix=".bmp")(structs).to_pylist()
    with Image.open(io.BytesIO(row["wave"])) as image:
        assert image.format == "BMP"
        np.testing.assert_array_equal(np.asarray(image), 255 - pixels(5, 6))


def test_a_second_run_of_parquet_takes_what_is_left() -> None:
    table = pyarrow.table({"id": pyarrow.array([3, 1, 2], pyarrow.int32()), "image": [b"c", b"a", b"b"]})
    for done, left in (([1, 3], [2]), ([], [3, 1, 2]), ([1, 2, 3], [])):
        assert rows_left(table, "id", pyarrow.array(done)).column("id").to_pylist() == left
    texts = pyarrow.table({"name": ["a", "b", None]})
    assert rows_left(texts, "name", pyarrow.array(["b"])).column("name").to_pylist() == ["a", None]


def test_without_ray_one_line_says_what_to_install(invert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    for call in (lambda: paint_files("photos", "painted", invert), lambda: paint_column(None, invert)):
        with pytest.raises(FastnstError, match=r'pip install "fastnst\[ray\]"') as raised:
            call()
        assert "\n" not in str(raised.value)


def test_a_style_or_an_option_that_is_wrong(tmp_path: Path, invert: Path) -> None:
    with pytest.raises(FastnstError, match="missing"):
        StyleFile.find(tmp_path / "missing.onnx")
    with pytest.raises(FastnstError, match=r"cannot write \.xyz"):
        FilePainter(invert, suffix=".xyz")
    with pytest.raises(FastnstError, match="strength must be 0 to 2"):
        FilePainter(invert, strength=3)
