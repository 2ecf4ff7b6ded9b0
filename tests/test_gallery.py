"""The script that paints the gallery finds the styles and writes beside itself."""

import importlib.util
import shutil
from pathlib import Path

from PIL import Image

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"


def test_the_gallery_is_painted_beside_its_script(tmp_path, monkeypatch, capsys):
    script = tmp_path / "gallery" / "paint_styles.py"
    script.parent.mkdir()
    shutil.copy(CHECKPOINTS / "gallery" / "paint_styles.py", script)
    shutil.copy(CHECKPOINTS / "wave.onnx", tmp_path)
    spec = importlib.util.spec_from_file_location("paint_styles", script)
    assert spec is not None
    assert spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    monkeypatch.setattr(gallery, "BUNDLED_STYLES", ("wave",))
    monkeypatch.setattr(gallery, "HEIGHT", 64)
    gallery.main()
    painted = script.with_name("wave.jpg")
    together = script.with_name("styles.jpg")
    assert capsys.readouterr().out == f"{painted}\n{together}\n"
    with Image.open(together) as picture:
        assert picture.width == gallery.COLUMNS * (gallery.CELL + gallery.GAP) - gallery.GAP
    with Image.open(painted) as picture:
        assert picture.height == 64
