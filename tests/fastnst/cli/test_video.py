"""`fastnst video` and `fastnst webcam` as they are documented."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from fastnst import FastnstError, Painter
from fastnst.model.values import UNIT
from fastnst.video import imports as video_extra
from fastnst.video import webcam
from fastnst.video.stabilizer import Stabilizer
from tests.fastnst import tiny_models
from tests.fastnst.make_videos import decoded, make_video, moving, packets_of, scene, times_of

Run = Callable[..., Result]
Fails = Callable[..., str]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_video(tmp_path / "clip.mp4", moving(6), audio="aac")


def luma(path: Path) -> np.ndarray:
    return np.array([frame.to_ndarray(format="gray").astype(float).mean() for frame in decoded(path)])


def test_video_writes_beside_the_video_and_says_where(run: Run, invert: Path, clip: Path) -> None:
    result = run("video", "-m", invert, clip)
    assert result.exit_code == 0, result.output
    written = clip.with_name("clip.invert.mp4")
    path, _, rest = result.stdout.rstrip("\n").partition("\t")
    assert path == str(written)
    assert rest.startswith("6 frames, ")
    assert rest.endswith(" fps")
    assert result.stderr == ""
    assert times_of(written) == times_of(clip)
    assert packets_of(written, "audio") == packets_of(clip, "audio")
    assert (
        np.abs(luma(written) + luma(clip) - 251).max() < 6
    )  # black and white, 16 and 235, have changed places
    assert sorted(file.name for file in clip.parent.iterdir()) == ["clip.invert.mp4", "clip.mp4"]


def test_video_never_replaces_without_overwrite(run: Run, fails: Fails, invert: Path, clip: Path) -> None:
    written = clip.with_name("clip.invert.mp4")
    written.write_bytes(b"precious")
    assert "exists: --overwrite replaces it, -o writes elsewhere" in fails("video", "-m", invert, clip)
    assert written.read_bytes() == b"precious"
    assert run("video", "-m", invert, clip, "--overwrite").exit_code == 0
    assert len(decoded(written)) == 6
    says = fails("video", "-m", invert, clip, "-o", clip, "--overwrite")
    assert "would be replaced by its own result" in says


def test_video_output_size_and_container(run: Run, fails: Fails, invert: Path, clip: Path) -> None:
    folder = clip.parent
    assert run("video", "-m", invert, clip, "-o", folder / "new.mkv", "--reduce", 32).exit_code == 0
    frame = decoded(folder / "new.mkv")[0]
    assert (frame.width, frame.height) == (32, 24)
    assert run("video", "-m", invert, clip, "-o", f"{folder / 'out'}/", "--stabilize").exit_code == 0
    assert len(decoded(folder / "out" / "clip.invert.mp4")) == 6
    avi = make_video(folder / "old.avi", moving(3), codec="mpeg4")
    assert run("video", "-m", invert, avi).exit_code == 0
    assert len(decoded(folder / "old.invert.mp4")) == 3
    assert "cannot write .webm: give a name in mp4" in fails("video", "-m", invert, clip, "-o", "x.webm")


def test_videos_go_on_past_bad_files(run: Run, invert: Path, clip: Path) -> None:
    folder = clip.parent
    (folder / "broken.mp4").write_bytes(b"no video")
    make_video(folder / "other.mp4", moving(2))
    result = run("video", "-m", invert, folder / "*.mp4", folder / "missing.mp4", "-o", folder / "out")
    assert result.exit_code == 2
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        str(folder / "out" / name) for name in ("clip.invert.mp4", "other.invert.mp4")
    ]
    lines = result.stderr.splitlines()
    assert "missing.mp4 does not exist" in lines[0]
    assert "broken.mp4 is no video that can be read" in lines[1]
    assert lines[2] == "fastnst: error: 2 of 4 could not be done; the lines above say why"
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["clip.invert.mp4", "other.invert.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits paths, not names")
def test_videos_go_on_past_names_that_are_too_long(run: Run, invert: Path, clip: Path) -> None:
    # Of the first the result's name is too long, of the second that which it has until it is whole.
    for length in (245, 240):
        clip.with_name(f"{'a' * length}.mp4").write_bytes(clip.read_bytes())
    missing = clip.with_name("b" * 300)
    result = run("video", "-m", invert, clip.parent / "*.mp4", missing)
    assert result.exit_code == 2
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        str(clip.with_name("clip.invert.mp4"))
    ]
    lines = result.stderr.splitlines()
    assert f"{missing} cannot be read: File name too long" in lines[0]
    for line in lines[1:3]:
        assert "invert.mp4 (File name too long): rename it, or write elsewhere with -o" in line
    assert lines[3:] == ["fastnst: error: 3 of 4 could not be done; the lines above say why"]


def test_a_pattern_leaves_out_results(run: Run, styles: Path, invert: Path, clip: Path) -> None:
    (styles / "invert.onnx").write_bytes(invert.read_bytes())
    clip.with_name("clip.invert.partial.mp4").write_bytes(clip.read_bytes())
    for _ in range(2):
        result = run("video", "-m", "invert", clip.parent / "*.mp4", "--overwrite")
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 1
    assert sorted(file.name for file in clip.parent.iterdir()) == ["clip.invert.mp4", "clip.mp4"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--crf", "52"], "--crf must be 0 to 51, not 52"),
        (["--reduce", "8"], "--reduce must be at least 16, not 8"),
        (["-o", "a.mp4", "b.mp4"], "there are several videos for the one file a.mp4"),
        (["--threads", "0"], "threads must be at least 1"),
    ],
)
def test_wrong_options_are_one_line(
    fails: Fails, invert: Path, clip: Path, arguments: list[str], line: str
) -> None:
    assert line in fails("video", "-m", invert, clip, *arguments)
    assert [file.name for file in clip.parent.iterdir()] == ["clip.mp4"]


def test_bad_arguments_are_one_line(fails: Fails, invert: Path, tmp_path: Path) -> None:
    assert "is a folder: name the videos in it" in fails("video", "-m", invert, tmp_path)
    assert "matches no file" in fails("video", "-m", invert, tmp_path / "*.mov")


@pytest.mark.parametrize(("module", "name"), [("av", "PyAV"), ("cv2", "OpenCV")])
def test_a_missing_package_is_one_line(
    fails: Fails, invert: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    says = fails("video", "-m", invert, clip, "--stabilize")
    assert says.startswith(f"{name}, which video needs, ")
    assert "pip install av opencv-python-headless" in says


def test_an_old_pyav_is_one_line(
    fails: Fails, invert: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("av.__version__", "16.1.0")
    assert fails("video", "-m", invert, clip).startswith("PyAV 16.1.0 is too old for video: pip install")


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastnst", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore SIGINT, and so would their child.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [np.random.default_rng(i).integers(0, 256, (120, 160, 3), dtype=np.uint8) for i in range(8)]
    path = tmp_path_factory.mktemp("long") / "clip.mp4"
    return make_video(path, frames * 75, crf="30", preset="ultrafast")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows interrupts process groups in another way")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interruption_leaves_what_plays(
    invert: Path, long_clip: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start("video", "-m", invert, long_clip, "-o", f"{tmp_path}/", "--threads", 1)
    partial = tmp_path / "clip.invert.partial.mp4"
    for _ in range(6000):  # until a fragment is on the disk
        if partial.exists() and partial.stat().st_size > 50_000:
            break
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert [file.name for file in tmp_path.iterdir()] == [partial.name]
    times = times_of(partial)
    assert 5 < len(times) < 600
    assert times[:5] == times_of(long_clip)[:5]
    if number != signal.SIGKILL:
        assert f"what is done of it plays in {partial}" in err


class FakeWindow:
    """OpenCV with a camera and a window that are lists."""

    def __init__(self, frames: list[np.ndarray | None], keys: list[int], visible: float = 1.0) -> None:
        import cv2

        self._cv2 = cv2
        self.frames, self.keys, self.visible = frames, keys, visible
        self.shown: list[np.ndarray] = []
        self.opened = self.released = self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cv2, name)

    def VideoCapture(self, number: int) -> Any:  # noqa: N802 - OpenCV's name
        def read() -> tuple[bool, np.ndarray | None]:
            frame = self.frames.pop(0) if self.frames else None
            return frame is not None, frame

        def release() -> None:
            self.released = True

        return SimpleNamespace(isOpened=lambda: number == 0, read=read, release=release, set=lambda *_: True)

    def namedWindow(self, *_: Any) -> None:  # noqa: N802
        self.opened = True

    def imshow(self, title: str, image: np.ndarray) -> None:
        self.shown.append(image)

    def setWindowTitle(self, title: str, text: str) -> None:  # noqa: N802
        assert text.startswith(title)
        assert text.endswith(" fps")

    def waitKey(self, _: int) -> int:  # noqa: N802
        return self.keys.pop(0) if self.keys else -1

    def getWindowProperty(self, *_: Any) -> float:  # noqa: N802
        return self.visible

    def destroyAllWindows(self) -> None:  # noqa: N802
        self.closed = True


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeWindow]:
    def make(*arguments: Any, **options: Any) -> FakeWindow:
        window = FakeWindow(*arguments, **options)
        monkeypatch.setattr(webcam, "import_cv2_with_window", lambda: window)
        monkeypatch.setattr(video_extra, "import_cv2_with_window", lambda: window)
        monkeypatch.setattr(webcam.time, "sleep", lambda _: None)
        return window

    return make


def test_webcam_shows_painted_frames_until_q(run: Run, invert: Path, fake) -> None:
    picture = scene(48, 64)
    window = fake([None, picture, picture, picture, picture], [-1, -1, ord("q")])
    result = run("webcam", "-m", invert, "--stabilize")
    assert result.exit_code == 0, result.output
    assert len(window.shown) == 3
    assert window.released
    assert window.closed
    np.testing.assert_array_equal(window.shown[0], 255 - picture[:, ::-1])


def test_webcam_size_and_mirror(run: Run, invert: Path, fake) -> None:
    picture = scene(48, 64)
    window = fake([picture], [27])
    assert run("webcam", "-m", invert, "--no-mirror", "--size", 64).exit_code == 0
    np.testing.assert_array_equal(window.shown[0], 255 - picture)
    window = fake([picture], [ord("q")])
    assert run("webcam", "-m", invert, "--size", 32).exit_code == 0
    assert window.shown[0].shape == (24, 32, 3)


def test_webcam_is_told_what_a_foreign_model_takes(run: Run, tmp_path: Path, fake) -> None:
    picture = scene(48, 64)
    model = tiny_models.coded(tmp_path / "coded.onnx", UNIT, UNIT, input_bgr=True, output_bgr=True)
    for options, arguments in (
        (["--bgr"], {"bgr": True}),
        (["--rgb", "--input-range", "imagenet"], {"bgr": False, "input_range": "imagenet"}),
    ):
        window = fake([picture], [ord("q")])
        assert run("webcam", "-m", model, "--no-mirror", *options).exit_code == 0
        expected = Painter(model, **arguments)(picture[..., ::-1])[..., ::-1]  # OpenCV's pictures are BGR
        np.testing.assert_array_equal(window.shown[0], expected)


def test_webcam_stabilizes_as_video_does(run: Run, tmp_path: Path, fake) -> None:
    """Strokes are held still, and colours too; both begin anew at a cut."""
    style = tiny_models.network(tmp_path / "style.onnx")
    shots = moving(3, 48, 64) + moving(3, 48, 64, seed=7)
    window = fake([picture[..., ::-1] for picture in shots], [-1] * 5 + [ord("q")])
    assert run("webcam", "-m", style, "--no-mirror", "--stabilize").exit_code == 0
    painter, stabilizer = Painter(style).for_video(), Stabilizer()
    for index, (picture, result) in enumerate(zip(shots, window.shown, strict=True)):
        alone = Painter(style)(picture).astype(int)
        motion = stabilizer.track(picture)
        if index in (0, 3):
            assert motion is None
            painter.begin_shot()
        np.testing.assert_array_equal(result[..., ::-1], stabilizer.blend(painter(picture), motion))
        assert (np.abs(result[..., ::-1] - alone).max() <= 1) == (index in (0, 3))


def test_webcam_ends_with_its_window(fake) -> None:
    window = fake([scene(48, 64)] * 5, [], visible=0.0)
    assert webcam.show_webcam(lambda image: image) == 1
    assert window.released


def test_webcam_errors_are_one_line(fails: Fails, invert: Path, fake) -> None:
    window = fake([], [])
    assert "there is no camera 3" in fails("webcam", "-m", invert, "--camera", 3)
    assert "camera 0 gives no picture" in fails("webcam", "-m", invert)
    assert window.released
    assert window.closed
    assert "--camera must be at least 0" in fails("webcam", "-m", invert, "--camera", -1)
    assert "--size must be at least 16" in fails("webcam", "-m", invert, "--size", 3)


def test_webcam_wants_a_window(fails: Fails, invert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fake_cv2(gui: str) -> None:
        text = f"General configuration\n  GUI:                 {gui}\n    Video:\n"
        module = SimpleNamespace(getBuildInformation=lambda: text)
        monkeypatch.setattr(video_extra, "import_cv2", lambda: module)

    fake_cv2("NONE")
    says = fails("webcam", "-m", invert)
    assert "pip uninstall opencv-python-headless, then pip install opencv-python" in says
    fake_cv2("QT5")
    monkeypatch.setattr(sys, "platform", "linux")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    assert "there is no display" in fails("webcam", "-m", invert)
    monkeypatch.setenv("DISPLAY", ":0")
    video_extra.import_cv2_with_window()

    def missing() -> Any:
        raise FastnstError("missing")

    monkeypatch.setattr(video_extra, "import_cv2", missing)
    assert "is missing: pip install opencv-python" in fails("webcam", "-m", invert)


def test_controls_act_on_videos_too(run: Run, invert: Path, clip: Path) -> None:
    unpainted, painted = clip.with_name("unpainted.mp4"), clip.with_name("painted.mp4")
    assert run("video", "-m", invert, clip, "-o", unpainted, "--strength", 0).exit_code == 0
    assert run("video", "--blend", f"{invert}:2", clip, "-o", painted, "--stabilize").exit_code == 0
    assert np.abs(luma(unpainted) - luma(clip)).max() < 3
    assert np.abs(luma(painted) + luma(clip) - 251).max() < 6
