import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from tests.fastnst.make_images import png_header
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor, tensor_to_image
from train.loss import choice as loss_network_choice
from train.loss.painting import load_painting
from train.loss.perceptual_loss import PerceptualLoss
from train.loss.vgg import VGGFeatures, load_vgg_state
from train.optimize import __main__ as optimize
from train.optimize import pixels as pixel_optimization
from train.optimize.__main__ import main
from train.optimize.progress import OptimizationProgress

ROOT = Path(__file__).parents[3]
LAYERS = ("relu1_2", "relu2_2")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working directory, where results go."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def photo(tiny):
    return tiny.photos / "00.jpg"


@pytest.fixture
def given(tiny, photo):
    """A command line; options of the same name that follow win."""

    def make(*more, **changes):
        options = {
            "content": photo,
            "style": tiny.painting,
            "size": 32,
            "style-size": 32,
            "steps": 4,
            "content-layers": "relu2_2",
            "style-layers": ",".join(LAYERS),
            "loss-network-weights": tiny.vgg16,
            "device": "cpu",
        } | {name.replace("_", "-"): value for name, value in changes.items()}
        return [
            *(f"--{name}={value}" for name, value in options.items() if value is not None),
            *map(str, more),
        ]

    return make


@pytest.fixture
def missed(tiny, photo):
    """The style that a picture of 32 px misses."""
    features = VGGFeatures("vgg16", LAYERS, load_vgg_state("vgg16", tiny.vgg16), mirrored=True)
    style = load_painting(tiny.painting, 32).to_tensor()
    loss = PerceptualLoss(features, style, content_layers=LAYERS[1:], style_layers=LAYERS, style_weight=10)

    def measure(path):
        with Image.open(path) as image:
            picture = image_to_tensor(np.array(image.convert("RGB").resize((32, 27))))
        with torch.no_grad():
            return loss(picture, picture).style.item()

    return measure


def one_line(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    *before, line = captured.err.splitlines()
    assert not any("error" in other or "Traceback" in other for other in before)
    assert line.startswith("optimize: error: ")
    return line


def test_a_photo_is_stylised(given, capsys, folder, photo, missed):
    assert main(given(steps=25)) == 0
    captured = capsys.readouterr()
    assert captured.out == "00-painting.png\n"
    assert "step 0/25: content 0.000, style " in captured.err
    assert "done: step 25 of 25" in captured.err
    assert [path.name for path in folder.iterdir()] == ["00-painting.png"]
    with Image.open("00-painting.png") as result:
        assert (result.format, result.mode, result.size) == ("PNG", "RGB", (32, 27))
    assert missed("00-painting.png") < 0.3 * missed(photo)


def test_a_photo_of_more_pixels_than_pillow_allows(given, capsys, folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert main(given(steps=1)) == 0
    assert capsys.readouterr().out == "00-painting.png\n"
    Path("large.png").write_bytes(png_header(30_000, 20_000))
    assert main(given(content="large.png")) == 2
    assert one_line(capsys) == (
        "optimize: error: large.png has 30000x20000 = 600,000,000 pixels, more than 400,000,000: resize it"
    )


def test_what_is_shared_with_training_has_its_defaults():
    options = optimize._parse(["--content=a.jpg", "--style=b.jpg"])
    assert options.config == TrainingConfig(style=Path("b.jpg"), name=options.config.name)
    assert options.size == TrainingConfig.quality_size
    assert (options.steps, options.start, options.device) == (200, "photo", "auto")
    assert options.output == Path("a-b.png")


def test_every_option_reaches_the_loss(tiny):
    options = optimize._parse(
        [
            *("--content=a.jpg", f"--style={tiny.painting}", "--style-size=40", "--style-weight=3"),
            *("--content-weight=2", "--tv-weight=0.5", "--loss-network=vgg19", "--content-layers=relu1_1"),
            *("--repetition-weight=0.7", "--style-layer-weights=1,3", "--style-scales=1,2"),
            *("--style-layers=[relu2_1, relu1_2]", f"--loss-network-weights={tiny.vgg19}"),
        ]
    )
    _, loss = optimize._loss(options.config, "cpu")
    assert (loss.style_weight, loss.content_weight, loss.tv_weight) == (3, 2, 0.5)
    assert loss.repetition_weight == 0.7
    assert loss.style_scales == (1, 2)
    assert loss.style_layer_weights.tolist() == [0.5, 1.5]
    assert (loss.content_layers, loss.style_layers) == (("relu1_1",), ("relu2_1", "relu1_2"))
    state = load_vgg_state("vgg19", tiny.vgg19)
    expected = PerceptualLoss(
        VGGFeatures("vgg19", ["relu2_1"], state, mirrored=True),
        load_painting(tiny.painting, 40).to_tensor(),
        content_layers=["relu2_1"],
        style_layers=["relu2_1"],
        style_weight=1,
    )
    torch.testing.assert_close(loss.get_buffer("gram_1_relu2_1"), expected.get_buffer("gram_1_relu2_1"))


@pytest.mark.parametrize(
    ("output", "expected"),
    [("other.jpg", "other.jpg"), ("there", "there/00-painting.png"), ("there/x.webp", "there/x.webp")],
)
def test_the_result_goes_where_it_is_told(given, capsys, folder, output, expected):
    (folder / "there").mkdir()
    assert main(given("-o", output, steps=1)) == 0
    assert capsys.readouterr().out == f"{expected}\n"
    with Image.open(expected) as result:
        assert result.size == (32, 27)


def test_an_earlier_result_is_replaced(given, folder):
    (folder / "00-painting.png").write_bytes(b"earlier")
    assert main(given(steps=1)) == 0
    with Image.open("00-painting.png") as result:
        result.load()


def test_transparency_and_colour_profile_are_kept(given, folder):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 4), dtype=np.uint8)
    pixels[:, :20, 3], pixels[:, 20:, 3] = 0, 255
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save("cut.png", icc_profile=profile)
    assert main(given(content="cut.png", steps=1)) == 0
    with Image.open("cut-painting.png") as result:
        assert (result.mode, result.size) == ("RGBA", (32, 16))
        assert result.info["icc_profile"] == profile
        alpha = np.asarray(result)[..., 3]
    assert (alpha[:, :12] == 0).all()
    assert (alpha[:, 20:] == 255).all()


def test_noise_follows_the_seed(given):
    pictures = []
    for name, options in {
        "one.png": {"seed": 1},
        "same.png": {"seed": 1},
        "other.png": {"seed": 2},
        "photo.png": {"seed": 1, "start": "photo"},
    }.items():
        assert main(given("-o", name, **{"start": "noise", "steps": 1} | options)) == 0
        with Image.open(name) as result:
            pictures.append(np.array(result).astype(int))
    one, same, other, photo = pictures
    assert (one == same).all()
    assert np.abs(one - other).mean() > 20
    assert np.abs(one - photo).mean() > 20


def test_help_comes_without_pytorch():
    program = (
        "import sys\nfrom train.optimize.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as exit: code = exit.code\n"
        "slow = {'torch', 'lightning', 'tqdm', 'safetensors'}\n"
        "print(sorted(slow & set(sys.modules)), code, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"COLUMNS": "100", "PATH": ""},
    )
    assert done.stderr.strip() == "[] 0"
    assert max(map(len, done.stdout.splitlines())) <= 102
    for option in (*optimize._SHARED, "content", "output", "steps", "size", "start", "device"):
        assert f"  --{option.replace('_', '-')} " in done.stdout or f", --{option} " in done.stdout
    assert f"({TrainingConfig.style_size})" in done.stdout


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"content": None}, "--content"),
        ({"style": None}, "--style"),
        ({"content": "absent.jpg"}, "absent.jpg does not exist"),
        ({"style": "absent.jpg"}, "there is no painting absent.jpg"),
        ({"content": "broken.jpg"}, "broken.jpg"),
        ({"style": "broken.jpg"}, "the painting broken.jpg is no image"),
        ({"content": "."}, "is a folder"),
        ({"content_layers": "relu9_9"}, "vgg16 has no layer 'relu9_9'; it has relu1_1, "),
        ({"style_layers": "relu1_2,conv4"}, "vgg16 has no layer 'conv4'"),
        ({"style_layers": ","}, "at least one layer"),
        ({"style_layer_weights": "1,2,3"}, "--style-layer-weights must be 2 numbers above 0"),
        ({"style_layer_weights": "much"}, "--style-layer-weights: must be numbers"),
        ({"style_layers": "relu4_3"}, "do not reach"),
        ({"loss_network": "resnet"}, "resnet"),
        ({"loss_network_weights": "absent.pth"}, "absent.pth"),
        ({"loss_network_weights": "broken.jpg"}, "broken.jpg"),
        ({"steps": 0}, "--steps must be at least 1"),
        ({"steps": "many"}, "--steps"),
        ({"size": 15}, "--size must be from 16 to 4096"),
        ({"size": 3_000_000_000}, "--size must be from 16 to 4096"),
        ({"style_size": 10**9}, "--style-size must be at most 4096"),
        ({"style_size": 3}, "--style-size must be at least 16"),
        ({"style_weight": -1}, "--style-weight must be at least 0"),
        ({"content_weight": "nan"}, "--content-weight must be at least 0"),
        ({"repetition_weight": -1}, "--repetition-weight must be at least 0"),
        ({"tv_weight": "inf"}, "--tv-weight must be at least 0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"start": "style"}, "--start"),
        ({"device": "abacus"}, "--device"),
        ({"output": "absent/x.png"}, "there is no folder absent"),
        ({"output": "x.txt"}, "cannot write .txt"),
        ({"stile": "a"}, "--stile"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(given, capsys, folder, changes, named):
    (folder / "broken.jpg").write_bytes(b"no image")
    assert main(given(**changes)) == 2
    assert named in one_line(capsys)
    assert [path.name for path in folder.iterdir()] == ["broken.jpg"]


def test_a_fully_transparent_painting_is_one_line(given, capsys):
    Image.new("RGBA", (32, 32)).save("clear.png")
    assert main(given(style="clear.png")) == 2
    assert one_line(capsys).startswith("optimize: error: the painting clear.png is fully transparent")


def test_an_unknown_layer_is_told_before_the_download(given, capsys, monkeypatch):
    monkeypatch.setattr(loss_network_choice, "load_vgg_state", lambda *_: pytest.fail("the weights are read"))
    assert main(given(content_layers="relu9_9", loss_network_weights=None)) == 2
    assert "relu9_9" in one_line(capsys)


def test_a_device_that_is_not_there_is_named_by_this_option(given, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(given(device="cuda")) == 2
    assert "--device cuda" in one_line(capsys)


def test_a_folder_that_is_read_only_is_told_before_the_work(given, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert main(given()) == 2
    assert "cannot be written to" in one_line(capsys)


@pytest.mark.parametrize("which", ["content", "style"])
@pytest.mark.parametrize("by", ["its name", "a link"])
def test_the_photo_and_the_painting_are_not_replaced(given, capsys, folder, photo, tiny, which, by):
    source = folder / f"mine{photo.suffix if which == 'content' else '.png'}"
    source.write_bytes((photo if which == "content" else tiny.painting).read_bytes())
    before = source.read_bytes()
    output = source
    if by == "a link":
        output = folder / "link.png"
        output.symlink_to(source)
    assert main(given("-o", output, **{which: source})) == 2
    assert f"would replace {source}" in one_line(capsys)
    assert source.read_bytes() == before
    assert output.is_symlink() == (by == "a link")


@pytest.fixture
def interrupt(monkeypatch):
    """Press Ctrl-C as soon as a step is shown; returns the images shown."""

    def arm(at):
        images = []
        show = OptimizationProgress.show

        def show_and_interrupt(progress, number, losses, image):
            show(progress, number, losses, image)
            images.append(image)
            if number == at:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(OptimizationProgress, "show", show_and_interrupt)
        return images

    return arm


def test_an_interrupted_picture_is_saved(given, capsys, folder, interrupt):
    images = interrupt(at=3)
    assert main(given(steps=50)) == 130
    captured = capsys.readouterr()
    assert captured.out == "00-painting.png\n"
    assert "interrupted, but the picture is saved: step 3 of 50" in captured.err
    with Image.open("00-painting.png") as result:
        assert (np.asarray(result) == tensor_to_image(images[3])).all()
    assert len(images) == 4
    assert len(list(folder.iterdir())) == 1


def test_an_interruption_before_the_first_step_leaves_nothing(given, capsys, folder, interrupt):
    interrupt(at=0)
    assert main(given()) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "optimize: interrupted"
    assert list(folder.iterdir()) == []


def test_an_interruption_of_the_saving_leaves_nothing_half_written(given, capsys, folder, monkeypatch):
    def interrupted(path, data):
        with path.open("wb") as file:
            file.write(data[:10])
        raise KeyboardInterrupt

    (folder / "00-painting.png").write_bytes(b"earlier")
    monkeypatch.setattr(Path, "write_bytes", interrupted)
    assert main(given(steps=1)) == 130
    assert capsys.readouterr().out == ""
    assert [path.name for path in folder.iterdir()] == ["00-painting.png"]
    assert (folder / "00-painting.png").read_bytes() == b"earlier"


def test_a_full_disk_is_one_line(given, capsys, folder, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(given(steps=1)) == 2
    assert one_line(capsys) == "optimize: error: cannot write 00-painting.png: No space left on device"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_does_not_suffice_is_one_line(given, capsys, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(pixel_optimization, "optimize_pixels", fail)
    assert main(given(size=48)) == 2
    assert "lower --size (now 48) or --style-size (now 32)" in one_line(capsys)


def test_a_mistake_of_ours_is_not_hidden(given, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(pixel_optimization, "optimize_pixels", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(given())
