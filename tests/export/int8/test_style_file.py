"""`python -m export --int8`, of a checkpoint and of a style file; and what the file is good for."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from export import verification
from export.cli import main
from export.graph.build import store_weights_as_float16
from export.int8 import style_file as int8_style
from export.int8.calibration import calibration_photos
from export.int8.style_file import export_int8
from export.verification import example_photos, verify_quantized
from fastnst import FastnstError, Stylizer
from fastnst.model.metadata import read_metadata
from train.network.trained_weights import read_trained_weights


@pytest.fixture(scope="module", autouse=True)
def few_photos():
    """Generating them takes most of the time, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(int8_style, "calibration_photos", lambda _: list(example_photos(2, 64, 80, seed=7)))
        yield


@pytest.fixture(scope="module")
def style(exported, tmp_path_factory):
    return export_int8(exported.path, tmp_path_factory.mktemp("int8") / "kandinsky-int8.onnx")


def psnr(found, expected):
    return 10 * np.log10(255**2 / np.square(found.astype(float) - expected).mean())


def test_metadata_are_the_styles_and_say_what_was_measured(style, exported):
    metadata = read_metadata(style.path)
    assert metadata == style.metadata
    assert metadata["export.weights"] == "int8"
    assert float(metadata["export.psnr"]) == pytest.approx(style.psnr, abs=0.06)
    # C and S3 are those of the float network.
    assert metadata["quality.weights"] == "float32"
    changed = {"export.weights", "export.psnr", "quality.weights", "export.max_abs_error"}
    kept = {key: value for key, value in exported.metadata.items() if key not in changed}
    assert {key: value for key, value in metadata.items() if key not in changed} == kept
    assert "export.max_abs_error" not in metadata


def test_a_checkpoint_gives_the_same_as_its_float_file(traced, checkpoint, style, tmp_path):
    again = export_int8(checkpoint, tmp_path / "from_checkpoint.onnx")
    assert again.path.read_bytes() == style.path.read_bytes()


def test_tiles_make_the_same_picture_as_the_whole(style):
    image = example_photos(1, 300, 420, seed=3)[0]
    whole = Stylizer(style.path, device="cpu")(image)
    tiled = Stylizer(style.path, device="cpu", tile=256)(image)
    assert psnr(tiled, whole) > 40


def test_a_video_is_stabilised(style):
    stylizer = Stylizer(style.path, device="cpu")
    before = example_photos(1, 64, 96, seed=4)[0]
    after = before.copy()
    after[:, 48:] = 255  # something large and bright enters on the right
    video = stylizer.for_video(0.1)
    first = video(before)
    assert np.abs(first.astype(int) - stylizer(before)).max() <= 1
    alone = np.abs(stylizer(before)[:, :32].astype(int) - stylizer(after)[:, :32]).mean()
    assert np.abs(first[:, :32].astype(int) - video(after)[:, :32]).mean() < 0.5 * alone


def test_training_does_not_go_on_from_int8_weights(style):
    with pytest.raises(FastnstError, match="int8 weights, too coarse for training to go on from") as caught:
        read_trained_weights(str(style.path))
    assert "\n" not in str(caught.value)


def test_a_network_that_came_out_too_far_is_not_left(exported, tmp_path, monkeypatch):
    def spoil(model, _):
        kernel = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("to_rgb.weight"))
        kernel.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(kernel), kernel.name))

    monkeypatch.setattr(int8_style, "quantize", spoil)
    with pytest.raises(FastnstError, match=r"dB, at least 30 are needed\): export without --int8"):
        export_int8(exported.path, tmp_path / "int8.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_least_near_test_image_counts(exported, style, monkeypatch):
    least = verify_quantized(style.path.read_bytes(), exported.path.read_bytes())
    assert least == pytest.approx(style.psnr)
    monkeypatch.setattr(verification, "SHAPES", verification.SHAPES[2:])
    assert verify_quantized(style.path.read_bytes(), exported.path.read_bytes()) >= least


def _foreign(path, exported):
    model = onnx.load(exported)
    model.ClearField("metadata_props")
    onnx.save(model, path)


def _garbage(path, exported):
    path.write_bytes(b"no model" * 100)


def _int8(path, exported):
    model = onnx.load(exported)
    next(each for each in model.metadata_props if each.key == "export.weights").value = "int8"
    onnx.save(model, path)


def _without_convolutions(path, exported):
    model = onnx.load(exported)
    for node in model.graph.node:
        node.op_type = "Identity" if node.op_type == "Conv" else node.op_type
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_foreign, "was not made by fastnst"),
        (_garbage, "no ONNX model"),
        (_int8, "has int8 weights already"),
        (_without_convolutions, "no network that fastnst can quantise"),
    ],
)
def test_a_bad_style_file_is_one_line(exported, tmp_path, write, message):
    bad = tmp_path / "bad.onnx"
    write(bad, exported.path)
    with pytest.raises(FastnstError, match=message) as caught:
        export_int8(bad, tmp_path / "int8.onnx")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "int8.onnx").exists()


def test_the_command_writes_beside_the_float_file(exported, style, tmp_path, capsys):
    source = shutil.copy(exported.path, tmp_path / "wave.onnx")
    before = source.read_bytes()
    assert main([str(source), "--int8"]) == 0
    written = tmp_path / "wave-int8.onnx"
    assert written.read_bytes() == style.path.read_bytes()
    assert source.read_bytes() == before
    output = capsys.readouterr().out
    assert f"style       {written} (" in output
    assert "PSNR        " in output
    assert f"next: fastnst stylize --model {written} photo.jpg" in output


def test_float16_styles_are_taken(exported, tmp_path):
    model = onnx.load(exported.path)
    store_weights_as_float16(model)
    onnx.save(model, tmp_path / "half.onnx")
    assert export_int8(tmp_path / "half.onnx", tmp_path / "int8.onnx").psnr > 36


def test_unless_current_tells_int8_from_float(traced, checkpoint, tmp_path, capsys, monkeypatch):
    arguments = [str(checkpoint), "--unless-current", "-o", str(tmp_path / "kandinsky.onnx")]
    assert main(arguments) == 0
    assert main([*arguments, "--int8"]) == 0  # into the same file, as it was asked for
    assert "int8 weights" in capsys.readouterr().out
    monkeypatch.setattr("export.style_file.build_model", lambda *_, **__: pytest.fail("not needed"))
    assert main([*arguments, "--int8"]) == 0
    assert "up to date" in capsys.readouterr().out
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.ckpt", "--int8", "--half"], "argument --half: not allowed with argument --int8"),
        (["a.ckpt", "--calibration-photos", "photos"], "--calibration-photos is for --int8"),
        (["a.onnx"], "a.onnx is a style file already; --int8 makes"),
        (["missing.onnx", "--int8"], "there is no style missing.onnx"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"export: error: {message}")


def test_a_style_is_not_replaced_by_its_int8_form(exported, tmp_path, capsys):
    source = shutil.copy(exported.path, tmp_path / "wave.onnx")
    before = source.read_bytes()
    assert main([str(source), "--int8", "-o", str(source)]) == 2
    assert "is the style to make int8: give the result another name" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_photos_to_calibrate_on(tmp_path):
    for number, photo in enumerate(example_photos(3, 60, 90, seed=5)):
        Image.fromarray(photo).save(tmp_path / f"{number}.png")
    photos = calibration_photos(str(tmp_path))
    assert [photo.shape for photo in photos] == [(171, 256, 3)] * 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(FastnstError, match="no photos in this folder"):
        calibration_photos(str(tmp_path / "empty"))


def test_generated_photos_are_always_the_same(monkeypatch):
    monkeypatch.setattr("export.int8.calibration._PHOTOS", 2)
    monkeypatch.setattr("export.int8.calibration._SIZE", 64)
    one, other = calibration_photos(), calibration_photos()
    assert len(one) == 2
    for first, second in zip(one, other, strict=True):
        assert first.dtype == np.uint8
        np.testing.assert_array_equal(first, second)
