"""What a release says of its version, and what `make release` refuses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastnst

ROOT = Path(__file__).parent.parent


def test_every_place_states_one_version():
    assert f"\nversion: {fastnst.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[([\d.]+)\]", changes, re.MULTILINE)
    assert versions[0] == fastnst.__version__
    assert versions == sorted(versions, key=lambda version: [*map(int, version.split("."))], reverse=True)


@pytest.mark.parametrize(
    ("heading", "cited", "refusal"),
    [
        ("[Unreleased]", "1.2.3", "CHANGELOG.md begins with '[Unreleased]'"),
        ("[1.2.2] - 2026-01-01", "1.2.3", "CHANGELOG.md begins with '[1.2.2] - 2026-01-01'"),
        ("[1.2.3] - 2026-01-01", "1.2.2", "CITATION.cff does not say version 1.2.3"),
        ("[1.2.3] - 2026-01-01", "1.2.3", "there are changes that are not committed"),
    ],
)
def test_what_is_not_ready_is_refused_in_one_line(tmp_path, heading, cited, refusal):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "release", tmp_path / ".ci")
    (tmp_path / "fastnst").mkdir()
    (tmp_path / "fastnst" / "version.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "fastnst" / "__init__.py").touch()
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {heading}\n")
    (tmp_path / "CITATION.cff").write_text(f"version: {cited}\n")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "earlier").touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    done = subprocess.run(
        [tmp_path / ".ci" / "release"],
        env={"PATH": os.environ["PATH"], "TOOLS": sys.executable, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"release: error: {refusal}")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "dist" / "earlier").exists()
