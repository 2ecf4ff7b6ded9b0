"""`python -m train.evaluate --json`, for programs."""

import contextlib
import io
import json
import warnings

import pytest

from tests.fastnst.tiny_models import CONTRACT, invert
from train.evaluate.__main__ import _finite, main


@pytest.mark.parametrize("last", [["--json"], ["--json=-"]])
def test_standard_output_is_one_json_value(tiny, tmp_path, last):
    model = invert(tmp_path / "inversion.onnx", CONTRACT | {"training.style_size": "40"})
    named = {"model": model, "style": tiny.painting, "data": tiny.photos, "quality-weights": tiny.vgg19}
    fixed = ["--photos=2", "--size=48", "--device=cpu", f"--output={tmp_path / 'evaluation.jpg'}"]
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*(f"--{name}={value}" for name, value in named.items()), *fixed, *last])
    assert code == 0, err.getvalue()
    found = json.loads(out.getvalue())
    assert out.getvalue().isascii()
    assert (found["model"], found["quality"]["photos"], found["direct"]) == (str(model), 2, None)
    assert found["quality"]["style"] > 0
    assert (tmp_path / "evaluation.jpg").exists()
    assert not (tmp_path / "-").exists()


def test_a_mistake_is_no_json(tiny, tmp_path, capsys):
    assert main(["--model=nobody.onnx", f"--style={tiny.painting}", f"--data={tiny.photos}", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_numbers_that_are_not_finite_are_null():
    value = {"a": float("nan"), "b": [1.5, float("inf")], "c": {1: None}}
    assert _finite(value) == {"a": None, "b": [1.5, None], "c": {1: None}}
