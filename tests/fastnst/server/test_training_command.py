"""The options of `fastnst serve` for training, and what its environment is."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastnst.cli.serve import _train_data
from fastnst.errors import FastnstError
from fastnst.server import serving
from fastnst.server.training import environment
from fastnst.server.training.recipes import recipe, train_options
from tests.fastnst.tiny_models import invert


@pytest.fixture
def trains(
    run: Callable[..., object], styles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., bool]:
    """Whether a server with these options trains."""
    served: list[bool] = []
    monkeypatch.setattr(
        serving.Server, "serve_on", lambda self, _: served.append(self._application.trainings is not None)
    )
    style = invert(tmp_path / "negative.onnx")

    def start(*options: str) -> bool:
        result = run("serve", "--port", "0", "-m", style, *options)
        assert result.exit_code == 0, result.output
        return served[-1]

    return start


def test_only_servers_of_this_machine_alone_train_unless_told_otherwise(trains: Callable[..., bool]) -> None:
    token = ("--token", "long enough")
    elsewhere = ("--host", "0.0.0.0")
    assert trains()
    assert trains(*token)
    assert not trains("--no-training")
    assert not trains("--allow-host", "paint.example.org")
    assert not trains("--allow-origin", "https://example.org")
    assert not trains(*elsewhere, *token)
    assert not trains(*elsewhere, "--without-token")
    assert trains(*elsewhere, *token, "--allow-training")
    assert trains("--allow-host", "paint.example.org", *token, "--allow-training")


def test_strangers_do_not_train(fails: Callable[..., str], tmp_path: Path) -> None:
    style = invert(tmp_path / "negative.onnx")
    for reached in (["--host", "0.0.0.0", "--without-token"], ["--allow-host", "paint.example.org"]):
        line = fails("serve", "--port", "0", "-m", style, "--allow-training", *reached)
        assert (
            line
            == "--allow-training lets whoever reaches the server use its processor for long: give --token"
        )


def test_training_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert _train_data("photos") == str(tmp_path / "photos")
    assert _train_data("generated") == "generated"
    assert _train_data("detection-datasets/coco") == "detection-datasets/coco"
    for text in ("nowhere", "./nowhere/", "/nowhere", ""):
        with pytest.raises(FastnstError, match="--train-data: there is no folder"):
            _train_data(text)


def test_the_environment_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert environment.missing() is None
    monkeypatch.setenv("FASTNST_TOKEN", "a secret")
    found = environment.command_environment()
    assert "FASTNST_TOKEN" not in found
    assert str(Path(__file__).parents[3]) in found["PYTHONPATH"].split(":")
    # A folder of photos, or somebody's package.
    (tmp_path / "train").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.PathFinder])
    for _ in range(2):
        importlib.invalidate_caches()
        with monkeypatch.context() as patched:
            for name in ("train", "export"):
                patched.delitem(sys.modules, name, raising=False)
            missing = environment.missing()
        assert missing is not None
        assert missing.startswith("Training is not installed here")
        (tmp_path / "train" / "__init__.py").write_text("raise SystemExit")


def test_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "has_gpu", lambda: False)
    assert train_options("good", "photos/")[:3] == ["--preset=quick", "--images=4800", "--data=photos/"]
    assert recipe("quick").minutes == 10
    monkeypatch.setattr(environment, "has_gpu", lambda: True)
    assert train_options("good", "photos/")[:2] == ["--preset=default", "--data=photos/"]
