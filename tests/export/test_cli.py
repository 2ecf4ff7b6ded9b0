"""`python -m export`, as it is typed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from export.cli import main

ROOT = Path(__file__).parents[2]


def _python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_from_checkpoint_to_file(checkpoint, exported, export_process):
    """Also that another process writes the same bytes, and that PyTorch's chatter stays away."""
    out, err = export_process.communicate()
    assert export_process.returncode == 0, err
    path = Path(export_process.args[-1])
    assert err.splitlines() == [
        "loading PyTorch",
        f"reading {checkpoint}",
        "tracing the network",
        "translating it to ONNX (opset 20)",
        "running it in ONNX Runtime against PyTorch",
    ]
    lines = out.splitlines()
    assert lines[0].startswith(f"style       {path} (0.")
    assert f"checkpoint  {checkpoint} (600 steps)" in lines
    assert "losses      content 0.5123, style 0.0234" in lines
    assert any(line.startswith("C           0.771 content lost") for line in lines)
    assert any(line.startswith("S3          0.0281 style missed") for line in lines)
    assert any(line.startswith("error       at most ") for line in lines)
    assert lines[-1] == f"next: fastnst stylize --model '{path}' photo.jpg"
    assert path.read_bytes() == exported.path.read_bytes()


def test_help_does_not_wait_for_pytorch():
    program = (
        "import sys; from export.cli import main\n"
        "try: main(['--help'])\n"
        "finally: assert not {'torch', 'lightning', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)"
    )
    finished = _python("-c", program)
    assert finished.returncode == 0, finished.stderr
    for option in ("CHECKPOINT", "--output", "--half", "--unless-current"):
        assert option in finished.stdout


@pytest.fixture
def run_folder(checkpoint, tmp_path):
    """A folder as training leaves it."""
    shutil.copy(checkpoint, tmp_path / "kandinsky.ckpt")
    (tmp_path / "kandinsky.png").touch()
    return tmp_path


def test_the_file_lies_beside_its_checkpoint_and_is_found_by_name(traced, run_folder, capsys, monkeypatch):
    monkeypatch.setenv("FASTNST_STYLES", str(run_folder))
    # The style must not be hidden by one of that name in the checkout.
    (run_folder / "kandinsky.ckpt").rename(run_folder / "my_style.ckpt")
    (run_folder / "kandinsky.png").rename(run_folder / "my_style.png")
    assert main([str(run_folder / "my_style.ckpt")]) == 0
    output = capsys.readouterr().out
    assert (run_folder / "my_style.onnx").is_file()
    assert f"preview     {run_folder / 'my_style.png'}" in output
    assert output.endswith("next: fastnst stylize --model my_style photo.jpg\n")


def test_a_folder_as_output(traced, run_folder, capsys):
    (run_folder / "styles").mkdir()
    assert main([str(run_folder / "kandinsky.ckpt"), "-o", str(run_folder / "styles"), "--half"]) == 0
    assert (run_folder / "styles" / "kandinsky.onnx").is_file()
    assert "float16 weights" in capsys.readouterr().out


def test_unless_current_exports_only_what_has_changed(traced, run_folder, capsys, monkeypatch):
    arguments = [str(run_folder / "kandinsky.ckpt"), "--unless-current"]
    assert main(arguments) == 0
    assert "up to date" not in capsys.readouterr().out
    monkeypatch.setattr("export.style_file.build_model", lambda *_, **__: pytest.fail("not needed"))
    assert main(arguments) == 0
    output = capsys.readouterr().out
    assert "kandinsky.onnx is up to date with" in output
    assert "next: fastnst stylize --model" in output


def test_an_unfinished_training_is_exported_and_said(traced, write_checkpoint, tmp_path, capsys):
    path = write_checkpoint(tmp_path / "early.ckpt", finished=False, quality=None, losses={}, max_steps=1000)
    assert main([str(path)]) == 0
    captured = capsys.readouterr()
    assert "the training is not finished, it was at step 600 of 1,000" in captured.err
    assert "quality     not measured" in captured.out
    assert (tmp_path / "early.onnx").is_file()


def test_a_measure_on_generated_photos_is_said(traced, write_checkpoint, tmp_path, capsys):
    path = write_checkpoint(tmp_path / "style.ckpt")
    state = torch.load(path, weights_only=True)
    state["fastnst"]["options"]["data"] = "generated"
    torch.save(state, path)
    assert main([str(path)]) == 0
    output = capsys.readouterr().out
    assert "C           0.771 content lost: on generated photos: not to be compared" in output
    assert "S3          0.0281 style missed: on generated photos: not to be compared" in output


def test_the_file_becomes_an_artifact_of_a_run_that_was_recorded_beside_it(
    traced, write_checkpoint, tmp_path, monkeypatch, capsys
):
    run = {"logger": "wandb", "id": "abc", "project": "fastnst", "mode": "offline", "folder": "runs"}
    path = write_checkpoint(tmp_path / "tracked.ckpt", tracking_run=run)
    logged = []
    monkeypatch.setattr(
        "train.report.tracking.log_model_artifact", lambda *arguments: logged.append(arguments)
    )
    assert main([str(path)]) == 0
    assert logged == []
    assert (
        f"not added to a wandb run: the files of the run are not in {tmp_path / 'wandb'}"
        in capsys.readouterr().err
    )
    recorded = tmp_path / "wandb" / "run-20260101_000000-abc" / "run-abc.wandb"
    recorded.parent.mkdir(parents=True)
    recorded.touch()
    assert main([str(path)]) == 0
    assert logged == [(run, tmp_path, tmp_path / "tracked.onnx")]


def test_a_failing_tracker_does_not_fail_the_export(traced, write_checkpoint, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise ConnectionError("no network")

    path = write_checkpoint(tmp_path / "tracked.ckpt", tracking_run={"logger": "wandb"})
    monkeypatch.setattr("train.report.tracking.ran_beside", fail)
    assert main([str(path)]) == 0
    captured = capsys.readouterr()
    assert "warning: not added to the wandb run: no network" in captured.err
    assert "next: fastnst stylize" in captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: CHECKPOINT"),
        (["a.ckpt", "--halve"], "unrecognized arguments: --halve"),
        (["missing.ckpt"], "there is no checkpoint missing.ckpt"),
        (
            ["a.ckpt", "-o", "style.pt"],
            "-o style.pt is neither a folder that exists nor a file that ends in .onnx",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"export: error: {message}")


def test_a_damaged_checkpoint_is_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "bad.ckpt").write_bytes(b"not a checkpoint" * 100)
    assert main([str(tmp_path / "bad.ckpt")]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"export: error: {tmp_path / 'bad.ckpt'} is damaged")


def test_a_missing_package_is_named(checkpoint, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "export.style_file")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main([str(checkpoint)]) == 2
    assert "exporting needs onnx, which is not installed" in capsys.readouterr().err


def test_an_interruption_is_said_and_leaves_nothing(run_folder, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("export.style_file.build_model", interrupt)
    assert main([str(run_folder / "kandinsky.ckpt")]) == 130
    assert capsys.readouterr().err.endswith("export: interrupted\n")
    assert not (run_folder / "kandinsky.onnx").exists()
