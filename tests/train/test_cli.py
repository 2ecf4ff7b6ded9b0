import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastnst.errors import FastnstError
from train import cli
from train.cli import main, parse_arguments, preset_names
from train.config import DEFAULT_STYLE_WEIGHT, TrainingConfig

STYLE = ["--style", "wave.jpg"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(cli, "_has_gpu", lambda: False)


@pytest.fixture(scope="module")
def help_text():
    """The help, as a process prints it that must not import PyTorch."""
    program = (
        "import sys\nfrom train.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as exit: code = exit.code\n"
        "slow = {'torch', 'lightning', 'torchvision', 'datasets', 'wandb', 'numpy'}\n"
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
    return done.stdout


def test_help_fits_on_two_screens(help_text):
    lines = help_text.splitlines()
    assert len(lines) <= 110
    assert max(map(len, lines)) <= 100


def test_help_shows_every_option_as_it_is_typed_with_its_default(help_text):
    for field in dataclasses.fields(TrainingConfig):
        assert f"\n  --{field.name.replace('_', '-')} " in help_text
    assert "--content-layers [relu3_3]" in help_text
    assert "--batch-size 16" in help_text
    assert "One of wandb, tensorboard, csv, none." in help_text
    assert f"level 5 is {DEFAULT_STYLE_WEIGHT:g}, and each is 1.6 times" in " ".join(help_text.split())


def test_help_groups_the_options_as_a_person_looks_for_them(help_text):
    groups = dict(re.findall(r"^([a-z ]+):\n((?:  .*\n)+)", help_text, re.MULTILINE))
    titles = ["painting and photos", "look", "network", "length and optimizer", "machine", "tracking"]
    assert list(groups) == ["options", *titles]
    for title, option in zip(
        titles, ("data", "strength", "teacher", "learning-rate", "trainer", "logger"), strict=True
    ):
        assert f"  --{option} " in groups[title]


def test_hyphens_and_underscores_are_the_same():
    hyphens, _ = parse_arguments([*STYLE, "--style-weight", "3", "--content-layers=[relu2_2]"])
    underscores, _ = parse_arguments([*STYLE, "--style_weight=3", "--content_layers", "[relu2_2]"])
    assert hyphens == underscores
    assert hyphens.style_weight == 3
    assert hyphens.content_layers == ("relu2_2",)


@pytest.mark.parametrize(
    ("given", "fresh"),
    [
        (["--fresh"], True),
        (["--fresh", "--seed", "3"], True),
        (["--fresh", "true"], True),
        (["--fresh=true"], True),
        (["--fresh", "false"], False),
        ([], False),
    ],
)
def test_a_switch_needs_no_value(given, fresh):
    config, _ = parse_arguments([*STYLE, *given])
    assert config.fresh is fresh


def test_values_keep_their_hyphens():
    config, _ = parse_arguments(["--style", "my-wave.jpg", "--data=some-one/coco-2017", "--name", "a--b"])
    assert (config.style.name, config.data, config.name) == ("my-wave.jpg", "some-one/coco-2017", "a--b")


@pytest.mark.parametrize(
    "given",
    [
        ["--style-layers", "relu1_2,relu2_2"],
        ["--style-layers=relu1_2,relu2_2"],
        ["--style_layers=[relu1_2,relu2_2]"],
    ],
)
def test_lists_need_no_brackets(given):
    assert parse_arguments([*STYLE, *given])[0].style_layers == ("relu1_2", "relu2_2")
    weighted = parse_arguments([*STYLE, *given, "--style-layer-weights=1,2.5"])[0]
    assert weighted.style_layer_weights == (1.0, 2.5)


def test_every_preset_is_read():
    assert preset_names() == ["default", "demo", "paper", "quick"]
    for name in preset_names():
        config, preset = parse_arguments([*STYLE, "--preset", name])
        assert preset == name
        assert config.style == Path("wave.jpg")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], (8, 40.96)),
        (["--style-weight", "3"], (None, 3.0)),
        (["--strength", "2"], (2, 2.44)),
    ],
)
@pytest.mark.parametrize("in_preset", ["strength: 8", "style_weight: 40.96"])
def test_how_strong_the_style_is_may_be_said_in_either_way_whatever_the_preset_says(
    monkeypatch, tmp_path, in_preset, given, expected
):
    (tmp_path / "strong.yaml").write_text(in_preset)
    monkeypatch.setattr(cli, "PRESETS", tmp_path)
    config, _ = parse_arguments([*STYLE, "--preset=strong", *given])
    strength, weight = expected
    assert config.style_weight == weight
    assert config.strength == (None if not given and "weight" in in_preset else strength)


def test_a_run_on_a_cpu_starts_from_the_nearest_style_and_a_run_on_a_gpu_from_nothing():
    inits = {name: parse_arguments([*STYLE, "--preset", name])[0].init for name in preset_names()}
    assert inits == {"default": "none", "demo": "auto", "paper": "none", "quick": "auto"}
    for init in ("none", "wave", "a/b-c.ckpt"):
        assert parse_arguments([*STYLE, "--preset=quick", "--init", init])[0].init == init


def test_the_paper_preset_is_the_papers():
    config, _ = parse_arguments([*STYLE, "--preset", "paper"])
    assert (config.images, config.image_size, config.batch_size) == (160_000, 256, 4)
    assert (config.learning_rate, config.decay, config.warmup_steps) == (1e-3, "none", 0)


@pytest.mark.parametrize(("gpu", "preset"), [(True, "default"), (False, "quick")])
def test_the_preset_follows_the_machine(monkeypatch, gpu, preset):
    monkeypatch.setattr(cli, "_has_gpu", lambda: gpu)
    assert parse_arguments(STYLE)[1] == preset


def test_the_command_line_wins_over_files_and_files_over_presets(tmp_path):
    (tmp_path / "mine.yaml").write_text("images: 77\nwidth: 8\n")
    config, _ = parse_arguments([*STYLE, "--preset=quick", f"--config={tmp_path}/mine.yaml", "--width", "6"])
    quick, _ = parse_arguments([*STYLE, "--preset=quick"])
    assert (config.images, config.width, config.image_size) == (77, 6, quick.image_size)


def test_any_argument_of_lightnings_trainer_passes_through():
    config, _ = parse_arguments([*STYLE, "--trainer.profiler", "simple", "--trainer.detect-anomaly=true"])
    assert config.trainer == {"profiler": "simple", "detect_anomaly": True}


def test_devices_are_read_as_lightning_reads_them():
    for given, expected in {"2": 2, "auto": "auto", "[0,1]": [0, 1], "0,1": "0,1"}.items():
        assert parse_arguments([*STYLE, "--devices", given])[0].devices == expected


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], "style"),
        (["--style"], "--style"),
        (["wave.jpg"], "wave.jpg"),
        ([*STYLE, "--stile-weight", "3"], "stile"),
        ([*STYLE, "--preset", "fast"], "there is no preset 'fast'; there are default, demo, paper, quick"),
        ([*STYLE, "--images", "many"], "--images: .*int.* many"),
        ([*STYLE, "--images", "0"], "--images must be at least 1"),
        ([*STYLE, "--loss-network", "resnet"], "--loss-network: .*vgg16.* resnet"),
        ([*STYLE, "--style-weight", "nan"], "--style-weight"),
        ([*STYLE, "--strength", "7", "--style-weight", "3"], "--strength 7 is a --style-weight of 25.6"),
        ([*STYLE, "--strength", "11"], "--strength must be from 1 to 10, got 11"),
        ([*STYLE, "--strength", "5.5"], "--strength: .*int.* 5.5"),
        ([*STYLE, "--crop-scale", "[0.5]"], "--crop-scale: .*2 elements"),
        ([*STYLE, "--config", "no-such-file.yaml"], "no-such-file.yaml"),
        ([*STYLE, "--name", "a/b"], "--name"),
        ([*STYLE, "--name", "a" * 300], "--name 'a+'... has 300 bytes, more than 200: choose another"),
        ([*STYLE, "--name", "a\nb"], r"--name 'a\\nb' has characters that no line of text has"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, names):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("train: error: ")
    assert captured.err.count("\n") == 1
    assert re.search(names, captured.err)
    assert "<class" not in captured.err


def test_names_from_outside_leave_one_line(capsys, tmp_path):
    assert main(["--style", "a\nb.jpg", "--name=x", f"--output={tmp_path}", "--preset=quick"]) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        "train: error: there is no painting a b.jpg: give the path of an image"
    ]
    assert main([*STYLE, f"--output={tmp_path / ('a' * 300)}", "--preset=quick"]) == 2
    assert "File name too long" in capsys.readouterr().err.splitlines()[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this platform has no /dev/full")
def test_a_full_standard_output_is_one_line_and_exit_code_2(tmp_path):
    program = (
        "import sys, types; from train import cli\n"
        "from train.run import run as module\n"
        "def run(*_):\n"
        "    print('a.ckpt')\n"
        "    return types.SimpleNamespace(interrupted=False)\n"
        "module.run = run\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, *STYLE, "--preset=quick", f"--output={tmp_path}"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == [
        "train: error: the output cannot be written: No space left on device"
    ]


def test_a_mistake_of_any_length_is_a_line_that_can_be_read():
    with pytest.raises(FastnstError, match=r"^--images: .*see python -m train --help\)$") as error:
        parse_arguments([*STYLE, f"--images={'x' * 5000}"])
    assert len(str(error.value)) < 1000


def test_a_broken_file_of_options_is_one_line(tmp_path):
    (tmp_path / "mine.yaml").write_text("images: [1\n")
    with pytest.raises(FastnstError, match="parsing config") as error:
        parse_arguments([*STYLE, f"--config={tmp_path}/mine.yaml"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", ["network", "images", "style_scales", "output", "compile", "logger"])
def test_null_for_an_option_that_needs_a_value_is_one_line(tmp_path, option):
    (tmp_path / "mine.yaml").write_text(f"{option}: null\n")
    name = option.replace("_", "-")
    with pytest.raises(FastnstError, match=f"^--{name} is null: give it a value, or leave it out for its"):
        parse_arguments([*STYLE, f"--config={tmp_path}/mine.yaml"])


def test_null_is_the_default_of_an_option_that_needs_no_value(tmp_path):
    (tmp_path / "mine.yaml").write_text("width: null\nworkers: null\nname: null\n")
    config, _ = parse_arguments([*STYLE, f"--config={tmp_path}/mine.yaml"])
    assert (config.width, config.workers, config.name) == (16, None, "wave")
