"""Damaged images and models, a few seconds of them, and all that longer runs of the fuzzer have found."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from fastnst import FastnstError, Stylizer
from tests.fastnst import fuzz, tiny_models


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


def test_names_with_control_characters_stay_in_one_line(tmp_path: Path) -> None:
    path = tiny_models.save_model(
        tmp_path / "lines.onnx",
        [helper.make_node("ReduceMean", ["image"], ["stylized"], axes=[2, 3], keepdims=0)],
        input_type=TensorProto.FLOAT,
        input_shape=tiny_models.NCHW,
        output_shape=("N\n\x1b[2J\u2028", 3),
    )
    with pytest.raises(
        FastnstError, match=r"outputs are stylized tensor\(float\) \(N\?\?\[2J\?, 3\)"
    ) as error:
        Stylizer(path)
    assert len(str(error.value).splitlines()) == 1
