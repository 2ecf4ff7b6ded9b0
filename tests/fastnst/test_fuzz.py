"""Damaged images and models, a few seconds of them, and all that longer runs of the fuzzer have found."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from fastnst import FastnstError, Stylizer
from fastnst.image.encode import encode_image
from fastnst.image.file import read_image
from tests.fastnst import fuzz, fuzz_models, tiny_models
from tests.fastnst.make_images import encoded, pixels, png_chunk


@pytest.mark.filterwarnings("ignore::UserWarning:PIL", "ignore::RuntimeWarning:PIL")
def test_damaged_images_are_read_or_refused() -> None:
    for number in range(600):
        data = fuzz.image_case(number)
        try:
            fuzz.check_image(data)
        except Exception as error:  # noqa: BLE001 - what the fuzzer looks for
            pytest.fail(f"python -m tests.fastnst.fuzz --kind image --one {number}: {error!r}")


def test_damaged_models_are_run_or_refused() -> None:
    for number in range(150):
        data = fuzz.model_case(number)
        try:
            fuzz.check_model(data)
        except Exception as error:  # noqa: BLE001 - what the fuzzer looks for
            pytest.fail(f"python -m tests.fastnst.fuzz --kind model --one {number}: {error!r}")


@pytest.mark.parametrize("kind", ["graph", "metadata"])
def test_hostile_models_are_run_or_refused(kind: str) -> None:
    make, check = fuzz.KINDS[kind]
    for number in range(25):
        data = make(number)
        try:
            check(data)
        except Exception as error:  # noqa: BLE001 - what the fuzzer looks for
            pytest.fail(f"python -m tests.fastnst.fuzz --kind {kind} --one {number}: {error!r}")


def test_damaged_videos_are_painted_or_refused() -> None:
    pytest.importorskip("av", minversion="18", reason="PyAV 18 needs Python 3.11")
    for number in range(40):
        case = fuzz.video_case(number)
        try:
            fuzz.check_video(case)
        except Exception as error:  # noqa: BLE001 - what the fuzzer looks for
            pytest.fail(f"python -m tests.fastnst.fuzz --kind video --one {number}: {error!r}")


@pytest.mark.long
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_the_fuzzer_finds_nothing_in_a_minute(kind: str) -> None:
    command = [sys.executable, "-m", "tests.fastnst.fuzz", "--kind", kind, "--seconds", "60"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_names_with_control_characters_stay_in_one_line(tmp_path: Path) -> None:
    path = tiny_models.save_model(
        tmp_path / "lines.onnx",
        [helper.make_node("ReduceMean", ["image"], ["stylized"], axes=[2, 3], keepdims=0)],
        input_type=TensorProto.FLOAT,
        input_shape=tiny_models.NCHW,
        output_shape=("N\n\x1b[2J\u2028", 3),
    )
    says = r"outputs are stylized tensor\(float\) \(N\\n\\x1b\[2J\\u2028, 3\)"
    with pytest.raises(FastnstError, match=says) as error:
        Stylizer(path)
    assert len(str(error.value).splitlines()) == 1


def test_names_of_any_length_leave_a_line_that_can_be_read(tmp_path: Path) -> None:
    path = tiny_models.save_model(
        tmp_path / "long.onnx",
        [helper.make_node("ReduceMean", ["image"], ["stylized"], axes=[2, 3], keepdims=0)],
        input_type=TensorProto.FLOAT,
        input_shape=tiny_models.NCHW,
        output_shape=("N" * 5000, 3),
    )
    with pytest.raises(
        FastnstError, match="gives no image, so it is no style model: its outputs are"
    ) as error:
        Stylizer(path)
    fuzz_models.assert_one_line(error.value)


@pytest.mark.parametrize("per_metre", [0, 2**31 - 1, 2**32 - 1])
def test_a_resolution_that_no_format_holds_is_dropped(per_metre: int) -> None:
    whole = encoded(pixels(4, 5), dpi=(300, 300))
    at = whole.index(b"pHYs")
    resolution = struct.pack(">IIB", per_metre, per_metre, 1)
    data = whole[: at - 4] + png_chunk(b"pHYs", resolution) + whole[at + 17 :]
    picture = read_image(io.BytesIO(data))
    assert picture.dpi is None
    for file_format in ("PNG", "JPEG", "TIFF", "BMP"):
        assert encode_image(picture, file_format)
