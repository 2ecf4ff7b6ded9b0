"""`python -m train.evaluate`, as it is typed."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastnst.errors import FastnstError
from tests.fastnst.tiny_models import CONTRACT, invert, invert_float
from tests.train.make_photos import make_jpeg, make_pixels
from train.evaluate import evaluation
from train.evaluate.__main__ import main
from train.evaluate.artefacts import measure_artefacts
from train.evaluate.grid import compose_grid
from train.evaluate.quality import CONTENT_LAYERS, STYLE_LAYERS, load_quality_features, measure_quality
from train.image_tensor import image_to_tensor
from train.loss.painting import load_painting
from train.loss.perceptual_loss import PerceptualLoss
from train.photos.sources import open_photos, validation_images

ROOT = Path(__file__).parents[3]


@pytest.fixture
def evaluate():
    """Run the command in this process; returns the exit code, standard output and standard error."""

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return code, out.getvalue(), err.getvalue()

    log = logging.getLogger("train")
    before = log.handlers, log.level, log.propagate
    yield run
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def model(tmp_path):
    return invert(tmp_path / "inversion.onnx", CONTRACT | {"training.style_size": "40"})


@pytest.fixture
def photos(tmp_path):
    """Enough for 3 to be held out of training on them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(13):
        (folder / f"{number:02}.jpg").write_bytes(make_jpeg(seed=number))
    return folder


@pytest.fixture
def given(tiny, model, photos, tmp_path):
    """The options of a run that takes a second; named ones replace them, None leaves one out."""

    def options(**changes):
        named = {
            "model": model,
            "style": tiny.painting,
            "data": photos,
            "photos": 3,
            "size": 48,
            "output": tmp_path / "evaluation.jpg",
            "quality_weights": tiny.vgg19,
            "device": "cpu",
        } | changes
        return [f"--{name.replace('_', '-')}={value}" for name, value in named.items() if value is not None]

    return options


def test_photos_that_are_large_enough_tell_the_flicker(evaluate, given):
    code, out, err = evaluate(*given(size=200, photos=1))
    assert code == 0, err
    (line,) = [line for line in out.splitlines() if line.startswith("flicker")]
    # The model inverts photos: it flickers as they do.
    ours, of_photos = map(float, line.split()[1:3])
    assert 0 < ours < 8
    assert ours == pytest.approx(of_photos, abs=0.5)


def test_the_numbers_are_those_of_the_photos_held_out(evaluate, given, tiny, photos, tmp_path):
    code, out, err = evaluate(*given(json=tmp_path / "numbers.json"))
    assert code == 0, err
    images = validation_images(open_photos(str(photos), validation_photos=3), 48)
    assert len(images) == 3
    painting = load_painting(tiny.painting, 40)
    features = load_quality_features(tiny.vgg19)
    quality = measure_quality(lambda photo: 1 - photo, images, painting, features)
    of_photos = measure_quality(lambda photo: photo, images, painting, features)
    inverted = [255 - image for image in images]
    artefacts = measure_artefacts(inverted, images, painting.pixels)
    found = json.loads((tmp_path / "numbers.json").read_text())
    assert found["style_size"] == 40
    assert found["direct"] is None
    for name, expected in (
        ("quality", quality),
        ("photo_quality", of_photos),
        ("artefacts", artefacts),
        ("photo_artefacts", measure_artefacts(images, images, painting.pixels)),
    ):
        for key, value in vars(expected).items():
            if key == "style_by_scale":  # JSON's keys are text
                value = {str(scale): missed for scale, missed in value.items()}
            assert found[name][key] == (value if value is None else pytest.approx(value, rel=1e-4)), key
    lines = {line[:19].strip(): line[19:].split()[:2] for line in out.splitlines()}
    assert lines["C, content lost"] == [f"{quality.content:.4f}", "0.0000"]
    assert lines["S3, style missed"] == [f"{quality.style:.4f}", f"{of_photos.style:.4f}"]
    assert lines["S, one scale"][0] == f"{quality.style_at_trained_size:.4f}"
    for scale, missed in quality.style_by_scale.items():
        assert lines[f"at 1/{scale}"] == [f"{missed:.4f}", f"{of_photos.style_by_scale[scale]:.4f}"]
    for layer in CONTENT_LAYERS:
        assert lines[layer] == [f"{quality.content_by_layer[layer]:.4f}", "0.0000"] or layer in STYLE_LAYERS
    for layer in STYLE_LAYERS:
        assert lines[layer][0] == f"{quality.style_by_layer[layer]:.4f}"
    assert lines["checkerboard"][0] == f"{artefacts.checkerboard:.2f}"
    assert lines["colour distance"][0] == f"{artefacts.colour_distance:.1f}"
    assert lines["coarse repetition"] == ["-", "-"]
    assert lines["repetition"] == ["-", "-"]  # no tile of 64 pixels in photos of 48
    assert out.startswith(f"{tmp_path / 'inversion.onnx'} (0.00 MB), painting of 40 px\n3 photos of 48 px\n")
    assert "measuring photo 3 of 3" in err
    assert "loading PyTorch" not in out


def test_the_picture_shows_all_photos_in_rows(evaluate, given, tiny, photos, tmp_path):
    code, out, err = evaluate(*given(photos=6, output=tmp_path / "wide.png"))
    assert code == 0, err
    assert f"picture  {tmp_path / 'wide.png'}\n" in out
    assert "holds out 3 of these 6 photos" in err
    folder = sorted(photos.glob("*.jpg"))
    assert len(folder) == 13
    with Image.open(tmp_path / "wide.png") as opened:
        picture = np.asarray(opened)
    first = validation_images(open_photos(str(photos), validation_photos=3), 48)
    painting = load_painting(tiny.painting, 40).pixels
    # The first three are those held out; the fourth stands in the last column.
    row = np.asarray(
        compose_grid(painting, [*first, first[0]], [255 - image for image in [*first, first[0]]])
    )
    width = 8 + 4 * (48 + 8)
    np.testing.assert_array_equal(picture[: len(row), :width], row[:, :width])
    assert picture.shape == (2 * len(row), 8 + 5 * (48 + 8), 3)


def test_a_measure_on_generated_photos_is_said(evaluate, given):
    code, out, err = evaluate(*given(data="generated"))
    assert code == 0, err
    assert "3 photos of 48 px" in out
    assert err.count("on generated photos are not to be compared with those on real ones") == 1


@pytest.mark.parametrize(
    ("stated", "held_out"), [("4", 4), (None, 8), ("many", 8), ("0", 8), ("1e300", 8), ("inf", 8)]
)
def test_training_held_out_as_many_photos_as_the_model_was_measured_on(stated, held_out):
    metadata = {} if stated is None else {"quality.photos": stated}
    assert evaluation._held_out_photos(metadata) == held_out


def test_a_folder_of_few_photos_is_measured_whole(evaluate, given, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for number in range(3):
        (few / f"{number}.jpg").write_bytes(make_jpeg(seed=number))
    assert evaluate(*given(data=few, photos=8, json=tmp_path / "n.json"))[0] == 0
    assert json.loads((tmp_path / "n.json").read_text())["quality"]["photos"] == 3
    (few / "1.jpg").unlink()
    (few / "2.jpg").write_bytes(b"broken")
    code, out, err = evaluate(*given(data=few, photos=8))
    assert code == 0
    assert "\n1 photo of 48 px\n" in out
    assert "unreadable photo" in err


def test_models_from_elsewhere_are_judged(evaluate, given, model, tmp_path):
    foreign = invert_float(tmp_path / "foreign.onnx", white=1, clip=True)
    results = []
    for path in (foreign, model):
        assert evaluate(*given(model=path, style_size=32, json=tmp_path / "n.json"))[0] == 0
        results.append(json.loads((tmp_path / "n.json").read_text()))
    assert results[0]["style_size"] == 32
    for part in ("quality", "artefacts"):
        assert results[0][part] == results[1][part]


@pytest.mark.parametrize(
    ("stated", "size"),
    [
        *(("256", 256), (None, 768), ("bold", 768), ("nan", 768), ("-3", 768), ("0", 768)),
        *(("1000000000", 768), ("inf", 768), ("4096", 4096), ("5", 768)),
    ],
)
def test_the_painting_has_the_size_that_the_model_states(stated, size):
    metadata = {} if stated is None else {"training.style_size": stated}
    assert evaluation._trained_style_size(metadata) == size


def test_another_painting_is_said(evaluate, given, tiny, tmp_path):
    own = load_painting(tiny.painting, 16).sha256
    model = invert(tmp_path / "own.onnx", CONTRACT | {"style.sha256": own, "training.style_size": "40"})
    assert "is not the file that own was trained on" not in evaluate(*given(model=model))[2]
    assert (
        "is not the file that own was trained on"
        in evaluate(*given(model=model, style=tiny.other_painting))[2]
    )


def test_direct_optimisation_starts_from_the_loss_that_the_style_reaches(
    evaluate, given, tiny, photos, tmp_path, monkeypatch
):
    calls = []

    def steps_to_reach(loss, content, target, *, most):
        calls.append((loss, content, target, most))
        return None if len(calls) == 1 else 17

    monkeypatch.setattr(evaluation, "steps_to_reach", steps_to_reach)
    monkeypatch.setattr(evaluation, "DIRECT_SIZE", 32)
    weights = {"training.style_weight": "30", "training.content_weight": "2", "training.tv_weight": "0.5"}
    model = invert(tmp_path / "m.onnx", CONTRACT | weights | {"training.style_size": "40"})
    code, out, _ = evaluate(*given(model=model, direct_steps=200, json=tmp_path / "n.json"))
    assert code == 0
    features = load_quality_features(tiny.vgg19)
    painting = load_painting(tiny.painting, 40).to_tensor()
    loss = PerceptualLoss(
        features,
        painting,
        content_layers=CONTENT_LAYERS,
        style_layers=STYLE_LAYERS,
        style_weight=30,
        content_weight=2,
        tv_weight=0.5,
    )
    images = validation_images(open_photos(str(photos), validation_photos=3), 32)[:2]
    assert len(calls) == 2
    for (_, content, target, most), image in zip(calls, images, strict=True):
        photo = image_to_tensor(image)
        assert most == 200
        assert content.equal(photo)
        assert target == pytest.approx(loss(1 - photo, photo).total.item(), rel=1e-4)
    assert "reaches the style's loss in steps: more than 200, 17 (32 px)\n" in out
    direct = json.loads((tmp_path / "n.json").read_text())["direct"]
    assert direct["steps"] == [None, 17]
    assert direct["losses"] == [target for _, _, target, _ in calls]


@pytest.mark.parametrize(("stated", "weight"), [("0.2", 0.2), (None, 0), ("-1", 0), ("1e300", 0)])
def test_direct_optimisation_has_the_repetition_term_that_the_style_was_trained_with(tiny, stated, weight):
    metadata = {} if stated is None else {"training.repetition_weight": stated}
    painting = load_painting(tiny.painting, 40).to_tensor()
    loss = evaluation._trained_loss(metadata, painting, load_quality_features(tiny.vgg19))
    assert loss.repetition_weight == weight


def test_direct_optimisation_as_a_whole(evaluate, given, monkeypatch):
    """A loss that every image has is reached by the photo itself."""
    monkeypatch.setattr(evaluation, "DIRECT_SIZE", 24)
    monkeypatch.setattr(
        evaluation,
        "steps_to_reach",
        lambda *a, steps=evaluation.steps_to_reach, **o: steps(a[0], a[1], 1e9, **o),
    )
    assert "in steps: 0 (24 px)" in evaluate(*given(direct_steps=1, direct_photos=1))[1]


def test_a_folder_as_output(evaluate, given, tmp_path):
    (tmp_path / "out").mkdir()
    assert evaluate(*given(output=tmp_path / "out"))[0] == 0
    with Image.open(tmp_path / "out" / "evaluation.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, "the following arguments are required: --model"),
        ({"style": None}, "the following arguments are required: --style"),
        ({"data": None}, "the following arguments are required: --data"),
        ({"model": "none.onnx"}, "none.onnx does not exist"),
        ({"model": "broken.jpg"}, "the painting broken.jpg is no image"),
        ({"model": "text.onnx"}, "text.onnx is no ONNX model"),
        ({"style": "none.jpg"}, "there is no painting none.jpg"),
        ({"style": "broken.jpg"}, "the painting broken.jpg is no image that fastnst reads"),
        ({"data": "./none"}, "./none: no such folder"),
        ({"data": "broken.jpg"}, "broken.jpg is a file; give the folder"),
        ({"data": "empty"}, "empty: no photos in this folder"),
        ({"data": "unreadable"}, "none of the 1 photos can be read, such as unreadable/1.jpg"),
        ({"photos": 0}, "--photos: must be a whole number from 1 to 10000, got 0"),
        ({"size": "large"}, "--size: must be a whole number from 16 to 4096, got large"),
        ({"style_size": 15}, "--style-size: must be"),
        ({"direct_steps": -1}, "--direct-steps: must be"),
        ({"device": "abacus"}, "--device: invalid choice: 'abacus'"),
        ({"output": "none/e.jpg"}, "-o none/e.jpg: there is no folder none"),
        ({"output": "e.gif"}, "-o e.gif is neither a folder nor a file that ends in .jpg or .jpeg or .png"),
        ({"json": "empty"}, "--json empty is a folder"),
        ({"json": "none/n.json"}, "--json none/n.json: there is no folder none"),
        ({"quality_weights": "none.pth"}, "cannot read the loss network's weights none.pth: No such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(evaluate, given, tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    (tmp_path / "text.onnx").write_bytes(b"no model")
    (tmp_path / "empty").mkdir()
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable" / "1.jpg").write_bytes(b"no image")
    code, out, err = evaluate(*given(**changes))
    assert code == 2
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith("evaluate: error: ")
    assert message in last
    assert err.count("evaluate: ") == 1
    assert not (tmp_path / "evaluation.jpg").exists()


@pytest.mark.parametrize("source", ["style", "model", "quality_weights"])
@pytest.mark.parametrize("by", ["its name", "a link"])
def test_what_is_read_is_not_replaced(evaluate, given, model, tiny, tmp_path, source, by):
    mine = tmp_path / "mine.png"
    mine.write_bytes(
        {"style": tiny.painting, "model": model, "quality_weights": tiny.vgg19}[source].read_bytes()
    )
    before = mine.read_bytes()
    output = mine
    if by == "a link":
        output = tmp_path / "link.png"
        output.symlink_to(mine)
    for option in ("output", "json"):
        code, _, err = evaluate(*given(**{source: mine, option: output}))
        assert code == 2
        assert f"{output} would replace {mine}: choose another name" in err
        assert "loading" not in err
    assert mine.read_bytes() == before


def test_the_picture_and_the_numbers_are_two_files(evaluate, given, tmp_path):
    (tmp_path / "a").mkdir()
    code, _, err = evaluate(*given(output=tmp_path / "n.png", json=tmp_path / "a" / ".." / "n.png"))
    assert code == 2
    assert "-o and --json are one file" in err
    assert not (tmp_path / "n.png").exists()


def test_errors_name_the_options_of_this_command(evaluate, given, monkeypatch):
    def fail(*_):
        raise FastnstError("give the file with --loss-network-weights")

    monkeypatch.setattr(evaluation, "load_quality_features", fail)
    assert evaluate(*given())[2].endswith("evaluate: error: give the file with --quality-weights\n")


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), RuntimeError("DefaultCPUAllocator: no memory"), MemoryError()]
)
def test_nothing_is_left_when_it_ends_early(evaluate, given, tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(evaluation, "measure_artefacts", fail)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = evaluate(*given(json=tmp_path / "n.json"))
    if isinstance(error, KeyboardInterrupt):
        assert (code, err.splitlines()[-1]) == (130, "evaluate: interrupted")
    else:
        assert (code, err.splitlines()[-1]) == (
            2,
            "evaluate: error: the memory does not suffice: lower --size (now 48) or --style-size (now 40)",
        )
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_a_picture_that_cannot_be_written_leaves_the_old_one(evaluate, given, tmp_path, monkeypatch):
    (tmp_path / "evaluation.jpg").write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    code, out, err = evaluate(*given())
    assert code == 2
    assert "C, content lost" in out  # what was measured is not lost
    assert err.splitlines()[-1] == (
        f"evaluate: error: cannot write {tmp_path / 'evaluation.jpg'}: No space left on device"
    )
    assert (tmp_path / "evaluation.jpg").read_bytes() == b"old"
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_is_not_ones_own_is_told_at_once(evaluate, given, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root, as in a container, may write anywhere
    code, _, err = evaluate(*given())
    assert code == 2
    assert err.endswith(f"the folder {tmp_path} cannot be written to\n")
    assert "loading" not in err


def test_help_does_not_wait_for_pytorch():
    program = (
        "import sys; from train.evaluate.__main__ import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'torch', 'lightning', 'datasets', 'onnxruntime', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in ("--model", "--style-size", "--direct-steps", "--json", "--quality-weights"):
        assert option in done.stdout


def test_the_module_is_the_command(tmp_path):
    arguments = ["--model=none.onnx", "--style=s.jpg", f"--data={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "train.evaluate", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("evaluate: error: none.onnx does not exist")


def test_the_rows_of_many_photos_are_limited():
    photos = [make_pixels(20, 16, seed) for seed in range(40)]
    picture = evaluation._picture(photos[0], photos, photos)
    assert picture.size == (8 + 5 * 28, 4 * (2 * 16 + 24))
