import hashlib
import os
import random
from pathlib import Path
from statistics import fmean

import onnx
import pytest
import torch
from onnx import TensorProto

from fastnst import style_library
from fastnst.errors import FastnstError
from fastnst.style_library import Style
from tests.train.network.record_entries import entries
from tests.train.network.style_weights import WIDE, assert_weights, make_network, metadata_of, write_weights
from train.config import TrainingConfig
from train.image_tensor import image_to_tensor
from train.network.build import build_network
from train.network.checkpoint import KEY
from train.network.shape import NETWORKS, NetworkShape
from train.network.trained_weights import read_trained_weights
from train.photos.sources import open_photos, validation_images
from train.run import start as start_module
from train.run.start import choose_start, find_starts
from train.step.style_transfer import StyleTransfer

# The paper's network, but for its size.
FULL = NetworkShape(width=4, residual_blocks=1, outer_kernel_size=9)


def write_checkpoint(path, network):
    options = network.shape._asdict()
    state = {
        "global_step": 7,
        "state_dict": {f"network.{name}": value for name, value in network.state_dict().items()},
        KEY: entries(options=options),
    }
    torch.save(state, path)
    return path


def config(init, **changes):
    shape = WIDE._asdict() | changes
    return TrainingConfig(style=Path("painting.png"), init=str(init), **shape)


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """A folder that is searched for styles before those of the checkout: what lies in it is bundled."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr(style_library, "style_folders", lambda: [("checkout", folder)])
    monkeypatch.setattr(style_library, "BUNDLED_STYLES", ("a", "b", "c", "wave"))
    return folder


@pytest.fixture(scope="module", params=[WIDE, FULL], ids=["wide", "full"])
def network(request):
    return make_network(shape=request.param)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_checkpoint_gives_its_weights(network, tmp_path):
    path = write_checkpoint(tmp_path / "sea.ckpt", network)
    weights = read_trained_weights(str(path))
    assert_weights(weights, network, network.shape)
    assert (weights.source, weights.name, weights.sha256) == (str(path), "sea.ckpt", digest(path))


def test_a_style_is_found_by_its_name(network, bundled):
    path = write_weights(bundled / "wave.onnx", network)
    weights = read_trained_weights("wave")
    assert_weights(weights, network, network.shape)
    assert (weights.source, weights.name, weights.sha256) == ("wave", "wave", digest(path))


def test_the_styles_that_come_with_fastnst_can_be_gone_on_from():
    weights = [read_trained_weights(style.name) for style in style_library.list_bundled_styles()]
    assert len(weights) == len(style_library.BUNDLED_STYLES)
    for each in weights:
        network = build_network(each.shape)
        network.load_state_dict(each.state)


def test_a_file_from_before_outer_kernels_and_wide_blocks_could_be_chosen_is_the_papers(tmp_path):
    network = make_network(shape=FULL)
    metadata = metadata_of(network)
    del metadata["network.outer_kernel_size"], metadata["network.wide_blocks"]
    path = write_weights(tmp_path / "old.onnx", network, metadata)
    assert_weights(read_trained_weights(str(path)), network, network.shape)


def test_random_weights_read_nothing(monkeypatch):
    monkeypatch.setattr(start_module, "read_trained_weights", lambda _: pytest.fail("nothing to read"))
    monkeypatch.setattr(start_module, "list_bundled_styles", lambda: pytest.fail("nothing to read"))
    assert find_starts(config("none")) == []


def test_another_network_is_one_line_that_says_what_differs(bundled, tmp_path):
    write_weights(bundled / "wave.onnx", make_network())
    path = write_checkpoint(tmp_path / "sea.ckpt", make_network(0, NETWORKS["fast"]))
    for options, line in (
        (
            {"init": "wave", "width": 8},
            "--init wave has width 4, 1 wide block, 1 residual block and outer kernels of 5; "
            "this run has width 8, 1 wide block, 1 residual block and outer kernels of 5: "
            "give --width 4 --residual-blocks 1 --outer-kernel-size 5 --wide-blocks 1, or --init none",
        ),
        (
            {"init": path, "width": 6, "residual_blocks": 3, "wide_blocks": 0},
            f"--init {path} has width 12, 3 residual blocks and outer kernels of 5; "
            "this run has width 6, 3 residual blocks and outer kernels of 5: "
            "give --network fast, or --init none",
        ),
    ):
        with pytest.raises(FastnstError) as error:
            find_starts(config(**options))
        assert str(error.value) == line


def change(path, edit):
    """Edit the weights of a file by name; None takes one away."""
    model = onnx.load(path)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    edit(tensors)
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors.values())
    onnx.save(model, path)


def take_away(tensors):
    del tensors["network.to_rgb.bias"]


def reshape(tensors):
    tensors["network.to_rgb.bias"].dims[:] = [1, 3]


def cut_short(tensors):
    tensors["network.to_rgb.bias"].raw_data = b"\0"


def point_elsewhere(tensors):
    bias = tensors["network.to_rgb.bias"]
    bias.ClearField("raw_data")
    bias.data_location = TensorProto.EXTERNAL
    bias.external_data.add(key="location", value="private.bin")


@pytest.mark.parametrize("edit", [take_away, reshape, cut_short, point_elsewhere])
def test_a_style_without_its_weights_is_one_line(network, tmp_path, monkeypatch, edit):
    path = write_weights(tmp_path / "sea.onnx", network)
    change(path, edit)
    (tmp_path / "private.bin").write_bytes(b"\0" * 12)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FastnstError, match="holds no weights that training can go on from") as error:
        read_trained_weights("sea.onnx")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "damage",
    [
        {"network.width": "4.5"},
        {"network.width": "-1"},
        {"network.width": ""},
        {"network.residual_blocks": "9" * 40},
        {"network.wide_blocks": "10000000"},
    ],
)
def test_a_style_that_says_no_network_is_one_line(network, tmp_path, damage):
    path = write_weights(tmp_path / "sea.onnx", network, metadata_of(network) | damage)
    with pytest.raises(FastnstError, match="holds no weights that training can go on from"):
        read_trained_weights(str(path))


def test_mistakes_are_one_line_that_names_the_option(network, bundled, tmp_path):
    write_weights(bundled / "wave.onnx", network)
    foreign = write_weights(tmp_path / "foreign.onnx", network, metadata={})
    newer = write_weights(tmp_path / "newer.onnx", network, metadata_of(network) | {"fastnst.format": "99"})
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    whole = write_weights(tmp_path / "cut.onnx", network).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    for init, line in (
        (foreign, "was not made by fastnst"),
        (newer, "has fastnst format 99"),
        (tmp_path / "text.onnx", "is no ONNX model"),
        (tmp_path / "cut.onnx", "cut short"),
        (tmp_path / "text.ckpt", "is damaged or no checkpoint"),
        (tmp_path / "absent.ckpt", "there is no checkpoint"),
        (tmp_path / "absent.onnx", "does not exist"),
        (f"{tmp_path}{os.sep}", "is a folder"),
        ("wav", "no style is called 'wav'; did you mean wave?"),
    ):
        with pytest.raises(FastnstError) as error:
            find_starts(config(init))
        assert str(error.value).startswith(f"--init {init}: ")
        assert line in str(error.value)
        assert "\n" not in str(error.value)


def test_auto_compares_the_bundled_styles_of_the_runs_network(bundled, capsys):
    write_weights(bundled / "a.onnx", make_network(width=6))
    write_weights(bundled / "b.onnx", make_network(residual_blocks=2))
    write_weights(bundled / "c.onnx", make_network())
    write_weights(bundled / "of_my_own.onnx", make_network())
    (bundled / "wave.onnx").write_text("damaged")
    (found,) = find_starts(config("auto"))
    assert found.source == "c"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wave is not compared: ")


def test_auto_is_random_weights_where_no_bundled_style_fits(bundled, capsys):
    assert find_starts(config("auto")) == []
    assert capsys.readouterr().err == "starting from random weights: there are no bundled styles\n"
    write_weights(bundled / "wave.onnx", make_network())
    assert find_starts(config("auto", width=6)) == []
    assert capsys.readouterr().err == (
        "starting from random weights: "
        "no bundled style has width 6, 1 wide block, 1 residual block and outer kernels of 5\n"
    )


def test_bundled_styles_are_those_of_fastnst_and_not_the_users(tmp_path, monkeypatch):
    styles = [Style(name, tmp_path, source) for name, source in (("a", "user"), ("b", "checkout"))]
    styles += [Style("c", tmp_path, "bundled"), Style("mine", tmp_path, "checkout")]
    monkeypatch.setattr(style_library, "list_styles", lambda: styles)
    monkeypatch.setattr(style_library, "BUNDLED_STYLES", ("a", "b", "c"))
    assert [style.name for style in style_library.list_bundled_styles()] == ["b", "c"]


def start(module, tiny, init):
    """Return a module like `module` that starts as `init` says, and what it starts from."""
    options = config(init)
    photos = open_photos(str(tiny.photos), validation_photos=2)
    chosen = choose_start(options, find_starts(options), module.loss, photos)
    return StyleTransfer(module.config, module.style, module.loss, 12, "32-true", start=chosen), chosen


def test_auto_starts_from_the_style_with_the_lowest_loss(bundled, tiny, tiny_module, capsys):
    photos = validation_images(open_photos(str(tiny.photos), validation_photos=2), 256)
    losses = {}
    for seed in range(3):
        network = make_network(seed)
        with torch.no_grad():
            contents = [image_to_tensor(photo) for photo in photos]
            losses[seed] = fmean(tiny_module.loss(network(photo), photo).total.item() for photo in contents)
    best, *others = sorted(losses, key=losses.get)
    assert losses[best] < 0.995 * losses[others[0]]
    # Not the first and not the last, so that an order by name does not find it by chance.
    for name, seed in zip("bac", (best, *others), strict=True):
        write_weights(bundled / f"{name}.onnx", make_network(seed))
    started, chosen = start(tiny_module, tiny, "auto")
    for name, value in make_network(best).state_dict().items():
        assert torch.equal(started.network.state_dict()[name], value)
    assert chosen.source == "b"
    assert started.started_from == {"name": "b", "sha256": digest(bundled / "b.onnx")}
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "comparing the painting with 3 bundled styles",
        "starting from the bundled style b (--init none starts from nothing)",
    ]


def test_starting_draws_no_random_numbers_and_keeps_the_layout(bundled, tiny, tiny_module):
    for name in "ab":
        write_weights(bundled / f"{name}.onnx", make_network())
    state = torch.random.get_rng_state()
    photos = open_photos(str(tiny.photos), validation_photos=2)
    options = config("auto")
    chosen = choose_start(options, find_starts(options), tiny_module.loss, photos)
    assert torch.equal(torch.random.get_rng_state(), state)
    started = StyleTransfer(
        tiny_module.config, tiny_module.style, tiny_module.loss, 12, "32-true", start=chosen
    )
    kernel = started.network.revision[0].block[1].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert kernel.requires_grad
    assert kernel.grad is None


def test_a_named_style_is_taken_without_a_comparison(bundled, tiny, tiny_module, capsys, monkeypatch):
    write_weights(bundled / "wave.onnx", make_network(5))
    monkeypatch.setattr(tiny_module.loss, "forward", lambda *_: pytest.fail("nothing to compare"))
    started, chosen = start(tiny_module, tiny, "wave")
    assert torch.equal(started.network.to_rgb.bias, make_network(5).to_rgb.bias)
    assert (chosen.source, started.started_from["name"]) == ("wave", "wave")
    assert capsys.readouterr().err.splitlines()[-1] == "starting from wave"


def test_random_weights_stay_as_they_are(bundled, tiny, tiny_module):
    for init in ("none", "auto"):  # auto, without any style to choose
        torch.manual_seed(3)
        started, chosen = start(tiny_module, tiny, init)
        assert chosen is None
        assert started.started_from == {}
        torch.manual_seed(3)
        for name, value in build_network(tiny_module.config.network_shape).state_dict().items():
            assert torch.equal(value, started.network.state_dict()[name])


def test_the_comparison_finds_the_least_sum_and_leaves_out_what_cannot_be_it():
    generator = random.Random(0)
    for _ in range(50):
        first, second = ({name: generator.random() for name in "abcdef"} for _ in range(2))
        asked = []

        def on_second(name, second=second, asked=asked):
            asked.append(name)
            return second[name]

        sums = {name: first[name] + second[name] for name in "abcdef"}
        least = min(sums.values())
        assert sums[start_module._best("abcdef", [first.__getitem__, on_second])] == least
        assert set(asked) >= {name for name in "abcdef" if first[name] < least}
        assert len(asked) <= 1 + sum(first[name] < first[asked[0]] + second[asked[0]] for name in "abcdef")
