"""The demo from the painting to the page, with a checkpoint in the place of training."""

from __future__ import annotations

import base64
import io
import re
import signal
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import export.cli
import train.cli
import train.generated.painting.__main__
from export.demo import __main__ as demo
from fastnst.cli import cli
from fastnst.style_library import Style
from tests.fastnst.flat_style import flat
from train.config import TrainingConfig

ROOT = Path(__file__).parents[3]
PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")


class Commands:
    """Runs what the demo runs, in this process; training only writes a checkpoint."""

    def __init__(self, write_checkpoint):
        self.write_checkpoint = write_checkpoint
        self.ran: list[list[str]] = []
        self.trained: list[TrainingConfig] = []
        self.fail: dict[str, int] = {}

    def __call__(self, arguments):
        assert arguments[0] == "-m"
        module, rest = arguments[1], list(arguments[2:])
        self.ran.append([module, *rest])
        if module in self.fail:
            return self.fail[module]
        if module == "train.generated.painting":
            return train.generated.painting.__main__.main(rest)
        if module == "train":
            return self.train(rest)
        if module == "export":
            return export.cli.main(rest)
        assert module == "fastnst"
        return CliRunner().invoke(cli, rest).exit_code

    def train(self, arguments):
        config, preset = train.cli.parse_arguments(arguments)
        assert preset == "demo"
        self.trained.append(config)
        if not config.checkpoint_path.exists():
            style = {"name": config.style_name, "sha256": "5e" * 32, "width": 384, "height": 288}
            style |= {"author": "", "licence": ""}
            self.write_checkpoint(config.checkpoint_path, style=style, seconds=285.4)
        return 0


@pytest.fixture
def commands(write_checkpoint):
    return Commands(write_checkpoint)


@pytest.fixture(autouse=True)
def no_time_lost(tmp_path, monkeypatch, traced):
    """One flat style in the place of the bundled ones, and a painting and an exported network at hand."""
    painting = np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8)
    monkeypatch.setattr(train.generated.painting.__main__, "draw_abstract_painting", lambda *_: painting)
    bundled = flat(tmp_path / "wave.onnx", 10, 60, 160)
    monkeypatch.setenv("FASTNST_STYLES", str(tmp_path))
    monkeypatch.setattr(demo, "list_bundled_styles", lambda: [Style("wave", bundled, "bundled")])
    monkeypatch.setattr("fastnst.style_library.style_folders", lambda: [("user", tmp_path)])
    monkeypatch.setattr(demo.webbrowser, "open", lambda _: pytest.fail("a browser was opened"))


@pytest.fixture
def folder(tmp_path):
    """The demo's folder, with photos that are painted in no time."""
    folder = tmp_path / "my demo"
    (folder / "photos").mkdir(parents=True)
    for number, name in enumerate(PHOTOS):
        Image.new("RGB", (24 + number, 16), (200, 40 * number, 90)).save(folder / "photos" / f"{name}.jpg")
    return folder


class Page(HTMLParser):
    """What stands on a page."""

    def __init__(self, text):
        super().__init__()
        self.pictures: list[tuple[str, Image.Image]] = []
        self.words = ""
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img" and "src" in values:
            head, _, data = values["src"].partition(",")
            assert head == "data:image/jpeg;base64"
            picture = Image.open(io.BytesIO(base64.b64decode(data)))
            assert picture.size == (int(values["width"]), int(values["height"]))
            self.pictures.append((values["alt"], picture))
        self.references += [values[name] for name in ("href", "srcset") if name in values]
        if tag not in ("img", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_from_nothing_to_the_page(commands, folder, capsys):
    assert demo.main(["-o", str(folder), "--seed", "5"], commands) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == str(folder / "index.html")
    assert [ran[0] for ran in commands.ran] == [
        "train.generated.painting",
        "train",
        "export",
        "fastnst",
        "fastnst",
    ]
    (config,) = commands.trained
    assert config.style == folder / "painting_5.png"
    assert (config.style_name, config.output) == ("abstract_5", folder)
    for photo in PHOTOS:
        for style in ("abstract_5", "wave"):
            assert (folder / "painted" / f"{photo}.{style}.jpg").is_file()
    # What is run can be typed by hand.
    typed = [line[2:] for line in err.splitlines() if line.startswith("$ ")]
    assert len(typed) == len(commands.ran)
    assert f" -m train --preset=demo --style '{folder}/painting_5.png' --name abstract_5 " in typed[1]


def test_the_page_holds_all_pictures_and_refers_to_no_other_file(commands, folder):
    assert demo.main(["-o", str(folder), "--seed", "5"], commands) == 0
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.references == []
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    first, *rows = [alt for alt, _ in page.pictures]
    assert first == "The painting"
    assert rows[:3] == [
        "astronaut",
        "astronaut in the style of the painting above",
        "astronaut in the style of Hokusai, The Great Wave",
    ]
    assert rows[::3] == list(PHOTOS)
    # Each picture is the one that its words say.
    painted = dict(page.pictures)["coffee in the style of Hokusai, The Great Wave"]
    assert max(abs(a - b) for a, b in zip(painted.getpixel((9, 9)), (10, 60, 160), strict=True)) < 4
    assert painted.size == (26, 16)
    for words in ("4:45 minutes", "2,400 crops, train2017 photos", "abstract_5, just trained", "--seed 6"):
        assert words in page.words
    assert f"stylize --model '{folder / 'abstract_5.onnx'}' photo.jpg" in page.words


def test_a_second_run_does_only_what_is_left(commands, folder):
    assert demo.main(["-o", str(folder)], commands) == 0
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    commands.ran.clear()
    assert demo.main(["-o", str(folder)], commands) == 0
    assert "train.generated.painting" not in [ran[0] for ran in commands.ran]
    changed = {path.name for path, time in times.items() if path.stat().st_mtime_ns != time}
    own = {f"{photo}.abstract_11.jpg" for photo in PHOTOS}  # the style may have been trained anew
    assert changed <= {"index.html", *own}


def test_another_seed_is_another_style_beside_the_first(commands, folder):
    assert demo.main(["-o", str(folder), "--seed", "1"], commands) == 0
    assert demo.main(["-o", str(folder), "--seed", "2"], commands) == 0
    assert {"abstract_1.onnx", "abstract_2.onnx"} <= {path.name for path in folder.iterdir()}
    alts = [alt for alt, _ in Page((folder / "index.html").read_text(encoding="utf-8")).pictures]
    assert len(alts) == 1 + len(PHOTOS) * 3


def test_other_options_go_to_the_training(commands, folder):
    assert demo.main(["-o", str(folder), "--images", "600", "--strength=7"], commands) == 0
    assert (commands.trained[0].images, commands.trained[0].strength) == (600, 7)


def test_the_preset_needs_no_download_and_no_account():
    config, _ = train.cli.parse_arguments(["--style=painting.png", "--preset=demo"])
    assert (config.quality_size, config.logger, config.init) == (0, "none", "auto")
    assert (config.data, config.loss_network) == ("generated", "compact")


@pytest.mark.parametrize(("code", "expected"), [(2, 2), (1, 1), (130, 130), (-9, 2)])
def test_a_step_that_ends_badly_ends_the_demo(commands, folder, capsys, code, expected):
    commands.fail["train"] = code
    assert demo.main(["-o", str(folder)], commands) == expected
    assert commands.ran[-1][0] == "train"
    out, err = capsys.readouterr()
    assert str(folder / "index.html") not in out
    assert not (folder / "index.html").exists()
    last = err.splitlines()[-1]
    if code == 130:
        assert last == "demo: interrupted: the same command goes on from there"
    elif code == -9:
        assert last == "demo: error: killed by signal 9: the same command goes on from there"
    else:  # the step has said it
        assert last.startswith("$ ")


def test_after_a_fresh_start_the_way_on_is_without_it(commands, folder, capsys):
    commands.fail["train"] = 130
    assert demo.main(["-o", str(folder), "--fresh"], commands) == 130
    assert capsys.readouterr().err.splitlines()[-1] == (
        "demo: interrupted: the same command without FRESH=1 (--fresh) goes on from there"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--seed", "red"],
            "argument --seed: invalid int value: 'red' (python -m export.demo --help says more)",
        ),
        (
            ["--style", "mine.jpg"],
            "--style is the demo's own: make train STYLE=... trains from your painting",
        ),
        (["--name=mine"], "--name is the demo's own: make train STYLE=... trains from your painting"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_done(
    commands, capsys, tmp_path, monkeypatch, arguments, line
):
    monkeypatch.chdir(tmp_path)
    assert demo.main(arguments, commands) == 2
    assert capsys.readouterr() == ("", f"demo: error: {line}\n")
    assert commands.ran == []
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_made_is_one_line(commands, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert demo.main(["-o", str(tmp_path / "file")], commands) == 2
    assert capsys.readouterr().err.startswith(f"demo: error: cannot write to {tmp_path / 'file'}")


def test_a_damaged_picture_is_named(commands, folder, capsys):
    (folder / "photos" / "coffee.jpg").write_bytes(b"no photo")
    assert demo.main(["-o", str(folder)], commands) == 2  # said by `fastnst stylize`
    (folder / "painting_11.png").write_bytes(b"no picture")
    commands.fail["fastnst"] = 0
    assert demo.main(["-o", str(folder)], commands) == 2
    assert "is missing or damaged: delete it and run the demo again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("display", "terminal", "opened"), [(":0", True, 1), (":0", False, 0), (None, True, 0)]
)
def test_a_browser_opens_only_for_who_sits_before_it(
    commands, folder, monkeypatch, display, terminal, opened
):
    pages = []
    monkeypatch.setattr(demo.webbrowser, "open", pages.append)
    monkeypatch.setattr(demo.sys, "platform", "linux")
    monkeypatch.setattr(demo.sys.stdin, "isatty", lambda: terminal, raising=False)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    assert demo.main(["-o", str(folder)], commands) == 0
    assert pages == opened * [(folder / "index.html").resolve().as_uri()]


def test_ctrl_c_while_a_step_begins_is_left_to_it_too(monkeypatch):
    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", Interrupted)
        assert demo.run_python(["-c", "import time; time.sleep(0.3); raise SystemExit(7)"]) == 7
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_is_left_to_the_step_which_is_waited_for():
    program = (
        "import sys; from export.demo.__main__ import run_python\n"
        "step = 'import signal, sys, time\\n' 'signal.signal(signal.SIGINT, lambda *_: '\\\n"
        "  '(time.sleep(0.5), print(\"in order\", file=sys.stderr), sys.exit(130)))\\n' \\\n"
        "  'print(\"ready\", flush=True); time.sleep(60)'\n"
        "sys.exit(run_python(['-c', step]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"  # the step's output is no result of the demo
    # To the whole group, as a terminal does.
    subprocess.run(["kill", f"-{signal.SIGINT.value}", "--", f"-{process.pid}"], check=True)
    assert process.communicate()[1] == "in order\n"
    assert process.returncode == 130
    watchdog.cancel()
