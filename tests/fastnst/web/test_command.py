"""`fastnst web`: what it writes, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fastnst.web import onnxruntime_web
from fastnst.web.one_script import one_script
from fastnst.web.site import PAGE
from tests.fastnst.make_images import pixels
from tests.fastnst.tiny_models import invert


@pytest.fixture
def runtime_here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files in the place of ONNX Runtime Web."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in onnxruntime_web.FILES:
        (folder / name).write_text(name)
    monkeypatch.setattr(onnxruntime_web, "BUNDLED", folder)


@pytest.fixture
def style(tmp_path: Path) -> Path:
    return invert(tmp_path / "my_style-2.onnx")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_site_is_whole_and_the_same_each_time(run, runtime_here, style, photo, tmp_path):
    site = tmp_path / "site"
    result = run("web", "-o", site, "-m", style, "--example", photo)
    assert result.exit_code == 0, result.output
    assert re.fullmatch(rf"{re.escape(str(site))}\t[\d.]+ MB\n", result.stdout)
    first = tree(site)
    told = json.loads(first["site.json"])
    (listed,) = told["styles"]
    assert (listed["key"], listed["title"], listed["artist"]) == ("my_style-2", "My style 2", "A. Painter")
    named = [listed["file"], listed["sample"], told["hero"], *told["licences"]]
    named += [each["file"] for each in told["examples"]]
    named += [path for files in told["runtime"]["devices"].values() for path in files.values()]
    assert set(named) <= set(first)
    assert first[listed["file"]] == style.read_bytes()
    assert b"Permission is hereby granted" in first["licences/onnxruntime.txt"]
    # The service worker keeps what the site has, under a name that changes with it.
    head = first["sw.js"].decode().split("];")[0] + "]"
    kept = json.loads(head[head.index("FILES = ") + 8 :])
    assert {path for path in kept if path != "./"} <= set(first)
    assert {"main.js", "site.json", listed["file"]} <= set(kept)

    assert run("web", "-o", site, "-m", style, "--example", photo).exit_code == 2
    assert run("web", "-o", site, "-m", style, "--example", photo, "--overwrite").exit_code == 0
    assert tree(site) == first
    Image.fromarray(pixels(9, 9)).save(photo)
    assert run("web", "-o", site, "-m", style, "--example", photo, "--overwrite").exit_code == 0
    assert tree(site)["sw.js"] != first["sw.js"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my_style-2.onnx", "photo.png", "site"]


def test_every_module_is_there_that_a_module_imports():
    modules = {path.relative_to(PAGE).as_posix(): path for path in PAGE.rglob("*.js")}
    assert len(modules) > 15
    for path in modules.values():
        for imported in re.findall(r'\b(?:from|import) "([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / imported).is_file(), (path, imported)


def test_every_text_of_the_page_is_in_one_file_and_is_used():
    keys = set(re.findall(r"^  (\w+):", (PAGE / "texts.js").read_text(encoding="utf-8"), re.MULTILINE))
    files = [
        path for path in PAGE.rglob("*.*") if path.suffix in (".js", ".html") and path.name != "texts.js"
    ]
    others = "".join(path.read_text(encoding="utf-8") for path in files)
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', others)) | set(re.findall(r'"(\w+)"', others))
    assert keys <= used, keys - used
    assert set(re.findall(r'\btext\("(\w+)"', others)) <= keys
    assert set(re.findall(r'data-(?:text|label)="(\w+)"', others)) <= keys


def test_one_page_holds_everything(run, runtime_here, style, photo, tmp_path):
    page = tmp_path / "page.html"
    result = run("web", "--single", page, "-m", style, "--example", photo)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|\./")', text)
    assert "exists already" in run("web", "--single", page, "-m", style).stderr
    assert page.read_text(encoding="utf-8") == text
    assert run("web", "--single", page, "-m", style, "--overwrite").exit_code == 0


def test_modules_are_joined_in_order():
    main = 'import { one as uno, two } from "./a/b.js";\nimport { three } from "./c.js";\n[uno, two];'
    between = 'import { three } from "../c.js";\nexport const one = three;\nexport async function two() {}'
    modules = {"main.js": main, "a/b.js": between, "c.js": "export const three = 3;"}
    joined = one_script(modules, "main.js")
    assert "import" not in joined
    assert "export" not in joined
    assert (
        joined.index('modules["c.js"] =') < joined.index('modules["a/b.js"] =') < joined.index("async () =>")
    )
    assert 'const { one: uno, two } = modules["a/b.js"];' in joined
    assert "return { one, two };" in joined


def test_what_is_refused(fails, runtime_here, style, models, tmp_path):
    assert "either -o FOLDER or --single FILE" in fails("web")
    assert "either -o FOLDER or --single FILE" in fails("web", "-o", "a", "--single", "b")
    assert "no style is called 'nothing'" in fails("web", "-o", tmp_path / "site", "-m", "nothing")
    assert "is no style of fastnst" in fails(
        "web", "-o", tmp_path / "site", "-m", models / "invert_float.onnx"
    )
    assert "two styles are called" in fails("web", "-o", tmp_path / "site", "-m", style, "-m", style)
    assert "does not exist" in fails("web", "-o", tmp_path / "site", "-m", style, "--example", "no.jpg")
    assert "there is no folder" in fails("web", "-o", tmp_path / "no" / "site", "-m", style)
    assert "is a folder" in fails("web", "--single", tmp_path, "-m", style)
    assert "is not a folder" in fails("web", "-o", style, "-m", style)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for options in ([], ["--overwrite"]):
        assert "holds other files" in fails("web", "-o", tmp_path / "mine", "-m", style, *options)
    assert not (tmp_path / "site").exists()


def test_without_npm_one_line_says_so(run, fails, style, tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime_web, "BUNDLED", tmp_path / "no")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", "")
    said = fails("web", "-o", tmp_path / "site", "-m", style)
    assert "ONNX Runtime Web" in said
    assert "npm is not installed" in said
    # An npm that fails, such as without a network.
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network is down' >&2; exit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    result = run("web", "-o", tmp_path / "site", "-m", style)
    assert result.exit_code == 2
    assert "npm error network is down" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "site").exists()
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
