"""`fastnst stylize` as it is documented, in this process."""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from fastnst.image import formats
from tests.fastnst import tiny_models
from tests.fastnst.make_images import encoded, pixels, png_header

Run = Callable[..., Result]
Fails = Callable[..., str]


def values(path: Path | bytes) -> np.ndarray:
    with Image.open(io.BytesIO(path) if isinstance(path, bytes) else path) as image:
        return np.asarray(image)


def test_stylize_writes_beside_the_image_and_says_where(run: Run, invert: Path, photo: Path) -> None:
    result = run("stylize", "--model", invert, photo)
    assert result.exit_code == 0, result.output
    written = photo.with_name("photo.invert.png")
    path, _, milliseconds = result.stdout.rstrip("\n").partition("\t")
    assert path == str(written)
    assert milliseconds.removesuffix(" ms").isdecimal()
    assert result.stderr == ""
    np.testing.assert_array_equal(values(written), 255 - values(photo))
    assert sorted(file.name for file in photo.parent.glob("*photo*")) == ["photo.invert.png", "photo.png"]


def test_stylize_never_replaces_without_overwrite(run: Run, fails: Fails, invert: Path, photo: Path) -> None:
    written = photo.with_name("photo.invert.png")
    written.write_bytes(b"precious")
    assert "exists: --overwrite replaces it" in fails("stylize", "-m", invert, photo)
    assert written.read_bytes() == b"precious"
    assert run("stylize", "-m", invert, photo, "--overwrite").exit_code == 0
    np.testing.assert_array_equal(values(written), 255 - values(photo))


def test_stylize_output_file_folder_and_format(run: Run, invert: Path, photo: Path, tmp_path: Path) -> None:
    for arguments, expected in (
        (["-o", tmp_path / "other.bmp"], "other.bmp"),
        (["-o", f"{tmp_path / 'new'}/"], "new/photo.invert.png"),
        (["--format", "TIFF"], "photo.invert.tiff"),
        (["--format", ".bmp"], "photo.invert.bmp"),
    ):
        assert run("stylize", "-m", invert, photo, *arguments).exit_code == 0
        np.testing.assert_array_equal(values(tmp_path / expected), 255 - values(photo))


def test_stylize_a_batch_goes_on_past_bad_files(run: Run, invert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, data in (
        ("1.png", encoded(pixels(5, 6))),
        ("2.png", b"no image"),
        ("3.jpg", encoded(pixels(50, 60), "JPEG")[:500]),
        ("4.png", b""),
        ("5.png", encoded(pixels(7, 8))),
        ("6.png", png_header(30_000, 30_000)),
    ):
        (folder / name).write_bytes(data)
    result = run("stylize", "-m", invert, folder, tmp_path / "missing.png", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        str(tmp_path / "out" / "1.invert.png"),
        str(tmp_path / "out" / "5.invert.png"),
    ]
    *lines, summary = result.stderr.splitlines()
    for name, line in zip(("2.png", "3.jpg", "4.png", "6.png", "missing.png"), lines, strict=True):
        assert line.startswith("fastnst: error: ")
        assert name in line
    assert re.fullmatch(
        r"fastnst: 2 painted, 0 skipped \(done before\), 5 failed in \d+\.\d s \([\d.]+ images/s\)", summary
    )
    assert len(list((tmp_path / "out").iterdir())) == 2
    again = run("stylize", "-m", invert, folder, tmp_path / "missing.png", "-o", tmp_path / "out")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "\nfastnst: 0 painted, 2 skipped (done before), 5 failed in " in again.stderr


def test_stylize_a_tree_until_it_is_done(run: Run, invert: Path, tmp_path: Path) -> None:
    names = ["1.png", "b/2.png", "b/c/3.png"]
    for name in names:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(4, 4)).save(tmp_path / "tree" / name)
    output = tmp_path / "tree" / "painted"
    arguments = ("stylize", "-m", invert, "-r", tmp_path / "tree", "-o", output)
    first = run(*arguments)
    assert first.exit_code == 0
    results = [output / name.replace(".png", ".invert.png") for name in names]
    assert [line.split("\t")[0] for line in first.stdout.splitlines()] == [str(path) for path in results]
    results[1].unlink()
    os.utime(tmp_path / "tree" / "b" / "c" / "3.png", (2e9, 2e9))
    left = [
        results[0].with_name(".1.invert.0123abc_.partial.png"),
        output / "b" / "c" / ".x.0123abc_.partial.png",
    ]
    for path in left:
        path.touch()
    before = results[0].stat()
    second = run(*arguments)
    assert second.exit_code == 0
    assert second.stdout.startswith(f"{results[1]}\t")
    assert second.stdout.count("\n") == 1
    assert "fastnst: 1 painted, 2 skipped (done before), 0 failed in " in second.stderr
    assert (
        f"fastnst: 1 of the results that exist are older than their images ({results[2]}): " in second.stderr
    )
    assert results[0].stat() == before
    assert [path.exists() for path in left] == [False, True]  # the other is no result of this run
    assert run(*arguments, "--overwrite").stdout.count("\n") == 3


def test_a_full_disk_ends_the_run_with_one_line(
    run: Run, invert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for index in range(20):
        Image.fromarray(pixels(4, 4)).save(tmp_path / f"{index:02}.png")
    monkeypatch.setattr("os.fsync", full)
    result = run("stylize", "-m", invert, tmp_path, "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    summary, error = result.stderr.splitlines()
    assert summary.startswith("fastnst: 0 painted, 0 skipped (done before), 0 failed, 20 not done in ")
    assert error.startswith("fastnst: error: ")
    assert "00.invert.png cannot be written, the disk is full: free " in error
    assert list((tmp_path / "out").iterdir()) == []


def test_a_single_image_has_no_summary(run: Run, invert: Path, photo: Path) -> None:
    assert run("stylize", "-m", invert, photo).stderr == ""
    again = run("stylize", "-m", invert, photo.parent / "photo.p*")
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr.startswith("fastnst: 0 painted, 1 skipped (done before), 0 failed in ")


def test_what_a_folder_holds_of_formats_that_are_not_read(
    run: Run, fails: Fails, invert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(formats._FORMAT_OF, ".heic", "HEIC")  # as without pillow-heif
    monkeypatch.setattr(formats, "_HAS_HEIC", False)
    folder = tmp_path / "phone"
    folder.mkdir()
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50)
    for name in ("1.HEIC", "2.heic", "3.jxl", "4.dng", "notes.txt", ".hidden.heic"):
        (folder / name).write_bytes(heic)
    assert fails("stylize", "-m", invert, folder) == (
        f"{folder} holds no images that fastnst reads (2 HEIC, 1 JPEG XL, 1 camera raw: "
        "pip install pillow-heif, with which fastnst reads HEIC)"
    )
    Image.fromarray(pixels(4, 5)).save(folder / "5.png")
    for arguments in ([folder], ["-r", tmp_path]):
        result = run("stylize", "-m", invert, *arguments, "-o", tmp_path / "out", "--overwrite")
        assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
        assert result.stderr.startswith("fastnst: left out 4 that fastnst does not read (2 HEIC, 1 JPEG XL, ")
        assert result.stderr.count("\n") == 1
    for name, data, says in (
        ("1.HEIC", heic, "is HEIC: pip install pillow-heif"),
        ("photo.jpg", heic, "is HEIC: pip install pillow-heif"),
        ("3.jxl", b"x", "is JPEG XL, which fastnst does not read: convert it to PNG"),
        ("photo.png", b"\xff\x0ax", "is JPEG XL"),
        ("4.dng", encoded(pixels(4, 5), "TIFF"), "is a camera's raw file"),
    ):
        (folder / name).write_bytes(data)
        assert says in fails("stylize", "-m", invert, folder / name)
    # What the suffix says does not matter if the content is an image.
    (folder / "3.jxl").write_bytes(encoded(pixels(4, 5)))
    assert run("stylize", "-m", invert, folder / "3.jxl").exit_code == 0


def test_heic_with_pillow_heif(run: Run, invert: Path, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    image = Image.new("RGB", (64, 48), (200, 40, 20))
    image.paste((20, 40, 200), (0, 0, 32, 24))
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "An artist"
    heic = tmp_path / "phone" / "photo.heic"
    heic.parent.mkdir()
    other = pillow_heif.from_pillow(Image.new("RGB", (64, 48)))
    file = pillow_heif.from_pillow(image)
    file.save(heic, quality=100, chroma=444, exif=exif.tobytes())
    assert run("stylize", "-m", invert, heic.parent).exit_code == 0
    with Image.open(heic.with_name("photo.invert.png")) as painted:
        assert painted.size == (48, 64)
        assert painted.getexif()[0x013B] == "An artist"
        # Turned a quarter to the right, the corner lies above on the right.
        np.testing.assert_allclose(np.asarray(painted)[5, 40], [235, 215, 55], atol=12)
        np.testing.assert_allclose(np.asarray(painted)[50, 5], [55, 215, 235], atol=12)
    file.add_from_heif(other[0])
    file.save(heic, quality=100)
    assert run("stylize", "-m", invert, heic, "--overwrite").exit_code == 0  # its main picture


def test_stylize_a_folder_twice(run: Run, invert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels(4, 4)).save(folder / name)
    for _ in range(2):
        result = run("stylize", "-m", invert, folder, "--overwrite")
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 2
    assert "skipped 2 that are earlier results" in result.stderr
    assert len(list(folder.iterdir())) == 4


def test_stylize_expands_patterns(run: Run, invert: Path, photo: Path) -> None:
    result = run("stylize", "-m", invert, photo.parent / "p*.png")
    assert result.stdout.startswith(str(photo.with_name("photo.invert.png")))


def test_stylize_by_a_styles_name(run: Run, styles: Path, photo: Path) -> None:
    tiny_models.invert(styles / "negative.onnx")
    for model in ("negative", "negative.onnx"):
        assert run("stylize", "-m", model, photo, "--overwrite").exit_code == 0
    assert photo.with_name("photo.negative.png").exists()


def test_stylize_pipes(run: Run, invert: Path, photo: Path, tmp_path: Path) -> None:
    expected = 255 - values(photo)
    result = run("stylize", "-m", invert, "-", data=photo.read_bytes())
    np.testing.assert_array_equal(values(result.stdout_bytes), expected)
    assert result.stderr == ""
    result = run("stylize", "-m", invert, "-", "--format", "bmp", data=photo.read_bytes())
    assert result.stdout_bytes.startswith(b"BM")
    result = run("stylize", "-m", invert, photo, "-o", "-")
    np.testing.assert_array_equal(values(result.stdout_bytes), expected)
    result = run("stylize", "-m", invert, "-", "-o", tmp_path / "piped.png", data=photo.read_bytes())
    assert result.stdout.startswith(str(tmp_path / "piped.png"))
    np.testing.assert_array_equal(values(tmp_path / "piped.png"), expected)
    gif = encoded(Image.fromarray(pixels(4, 4)).convert("P"), "GIF")
    assert values(run("stylize", "-m", invert, "-", data=gif).stdout_bytes).shape == (4, 4, 3)


def test_stylize_pipe_errors(fails: Fails, invert: Path, photo: Path, tmp_path: Path) -> None:
    assert "give one image alone" in fails("stylize", "-m", invert, "-", photo)
    assert "standard input is empty" in fails("stylize", "-m", invert, "-", data=b"")
    assert "standard input is no image" in fails("stylize", "-m", invert, "-", data=b"hello")
    assert "is a folder" in fails("stylize", "-m", invert, "-", "-o", tmp_path, data=photo.read_bytes())
    assert "exists: --overwrite" in fails("stylize", "-m", invert, "-", "-o", photo, data=photo.read_bytes())
    assert "cannot write .xyz" in fails("stylize", "-m", invert, "-", "-o", "x.xyz", data=photo.read_bytes())


def test_stylize_keeps_alpha_and_lays_it_on_white(run: Run, invert: Path, tmp_path: Path) -> None:
    rgba = np.dstack([pixels(16, 16), np.full((16, 16), 200, np.uint8)])
    rgba[:8, :, 3] = 0
    path = tmp_path / "cut-out.png"
    Image.fromarray(rgba).save(path)
    assert run("stylize", "-m", invert, path).exit_code == 0
    result = values(tmp_path / "cut-out.invert.png")
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])
    np.testing.assert_array_equal(result[8:, :, :3], 255 - rgba[8:, :, :3])
    assert run("stylize", "-m", invert, path, "--format", "jpg").exit_code == 0
    assert values(tmp_path / "cut-out.invert.jpg")[:4].min() > 245


def test_stylize_first_frame_and_pixel_limit(run: Run, fails: Fails, invert: Path, tmp_path: Path) -> None:
    frames = [Image.fromarray(pixels(20, 20, i)) for i in range(2)]
    path = tmp_path / "moving.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert "has several frames" in fails("stylize", "-m", invert, path)
    assert run("stylize", "-m", invert, path, "--first-frame").exit_code == 0
    says = fails("stylize", "-m", invert, path, "--first-frame", "--max-pixels", 399, "--overwrite")
    assert "more than 399: resize it, or allow it with --max-pixels 400" in says
    assert (
        run("stylize", "-m", invert, path, "--first-frame", "--max-pixels", 400, "--overwrite").exit_code == 0
    )


def test_stylize_warns_once_in_one_line(run: Run, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels(200, 200)).save(folder / name)
    result = run("stylize", "-m", models / "fixed.onnx", folder)
    assert result.exit_code == 0
    warning, summary = result.stderr.splitlines()
    assert warning == "fastnst: warning: fixed only works at 64x48 pixels: the result lacks detail"
    assert summary.startswith("fastnst: 2 painted")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--quality", 0], "--quality must be 1 to 100"),
        (["--quality", 101], "--quality must be 1 to 100"),
        (["--quality", "high"], "'high' is not a valid integer"),
        (["--max-pixels", 0], "--max-pixels must be at least 1"),
        (["--threads", 0], "threads must be at least 1"),
        (["--device", "tpu"], "choose one of auto"),
        (["--device", "cuda"], "cuda"),
        (["--format", "xyz"], "choose one of"),
        (["-o", "folder/x.xyz"], "cannot write .xyz"),
        (["--colour"], "No such option"),
    ],
)
def test_stylize_bad_options(
    fails: Fails, invert: Path, photo: Path, arguments: list[object], says: str
) -> None:
    if arguments == ["--device", "cuda"]:
        import onnxruntime

        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            pytest.skip("this ONNX Runtime has CUDA")
    assert says in fails("stylize", "-m", invert, photo, *arguments)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("missing.onnx", "missing.onnx does not exist"),
        ("no/such/file.onnx", "no/such/file.onnx does not exist"),
        ("kandinsky", "no style is called 'kandinsky'"),
        ("no_image_input", "no image input"),
        ("external_weights", "missing"),
    ],
)
def test_bad_models(fails: Fails, models: Path, photo: Path, model: str, says: str) -> None:
    path = models / f"{model}.onnx"
    assert says in fails("stylize", "-m", path if path.exists() else model, photo)
    assert says in fails("info", path if path.exists() else model)


def test_a_nearly_right_name(fails: Fails, styles: Path, photo: Path) -> None:
    tiny_models.invert(styles / "kandinsky.onnx")
    assert "did you mean kandinsky?" in fails("stylize", "-m", "kandinski", photo)


def test_an_image_model_error_names_the_image(fails: Fails, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "white.png"
    Image.new("RGB", (3, 3), "white").save(path)
    assert fails("stylize", "-m", models / "not_a_number.onnx", path).startswith(
        f"{path}: the model gave NaN"
    )


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "is read-only"),
        (errno.EACCES, "is read-only"),
        (errno.EIO, "cannot be written: Input/output error"),
    ],
)
def test_disks_that_cannot_be_written(
    fails: Fails, invert: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str
) -> None:
    def broken(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", broken)
    before = sorted(photo.parent.iterdir())
    assert says in fails("stylize", "-m", invert, photo)
    assert sorted(photo.parent.iterdir()) == before  # nothing half-written


def test_an_output_folder_that_is_a_file(fails: Fails, invert: Path, photo: Path) -> None:
    assert "is not a folder" in fails("stylize", "-m", invert, photo, "-o", photo / "below" / "x.png")


def test_a_folder_without_images(fails: Fails, invert: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no images" in fails("stylize", "-m", invert, tmp_path / "empty")
    assert "matches no file" in fails("stylize", "-m", invert, tmp_path / "*.jpg")
