"""A file is the old one or the new one, whatever happens."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fastnst.atomic_write import atomic_write, remove_partial_writes


def test_the_new_file_takes_the_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "style.onnx"
    path.write_bytes(b"old")
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.suffix == ".onnx"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_the_old_file_stays_when_writing_fails(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "style.onnx"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"half of the new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_a_file_that_appears_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool
) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if not has_hard_links:
        monkeypatch.setattr(os, "link", no_link)
    path = tmp_path / "photo.wave.jpg"
    with atomic_write(path, replace=False) as temporary:
        temporary.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    mode = path.stat().st_mode
    path.unlink()

    def write() -> None:
        with atomic_write(path, replace=False) as temporary:
            temporary.write_bytes(b"new")
            path.write_bytes(b"another program's")

    with pytest.raises(FileExistsError):
        write()
    assert path.read_bytes() == b"another program's"
    assert path.stat().st_mode == mode
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        write_new(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_symlink()


def write_new(path: Path) -> None:
    with atomic_write(path, replace=False) as temporary:
        temporary.write_bytes(b"new")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_permissions(tmp_path: Path) -> None:
    fresh, ordinary = tmp_path / "fresh", tmp_path / "ordinary"
    ordinary.touch()
    with atomic_write(fresh) as temporary:
        temporary.touch()
    assert fresh.stat().st_mode == ordinary.stat().st_mode
    ordinary.chmod(0o640)
    with atomic_write(ordinary) as temporary:
        temporary.touch()
    assert ordinary.stat().st_mode & 0o777 == 0o640


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a[1].ckpt") as left:
        left.touch()
    # A kill leaves it where it was: nothing of the context manager runs.
    others = [
        tmp_path / name
        for name in ("a[1].ckpt", "a1.ckpt", ".a1.abcd_123.partial.ckpt", ".a[1].b.abcd_123.partial.ckpt")
    ]
    for path in (left, *others):
        path.touch()
    remove_partial_writes(tmp_path, "a[1]")
    assert sorted(tmp_path.iterdir()) == sorted(others)
    remove_partial_writes(tmp_path, {"a1", "a[1].b"})
    assert sorted(tmp_path.iterdir()) == sorted(others[:2])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_what_only_looks_left_over_is_not_waited_for(tmp_path: Path) -> None:
    pipe, link = (tmp_path / f".a.{name}.partial.png" for name in ("pipe_123", "link_123"))
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    remove_partial_writes(tmp_path, "a")  # does not hang
    assert sorted(tmp_path.iterdir()) == sorted([pipe, link])


@pytest.mark.parametrize(
    "stem",
    ["a" * 251, "a" * 234, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 125, "\N{ARTIST PALETTE}" * 62],
    ids=["1 byte", "just too long", "2 bytes", "4 bytes"],
)
def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.jpg"
    with atomic_write(path) as left:
        left.write_bytes(b"new")
        assert left.name[1:].startswith(stem[:50])
        assert left.suffix == ".jpg"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    left.touch()  # as a kill leaves it
    other = left.with_suffix(".png")
    other.touch()
    remove_partial_writes(tmp_path, ["b", "b" * 251])
    assert sorted(tmp_path.iterdir()) == sorted([path, left, other])
    remove_partial_writes(tmp_path, ["b", stem])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets no open file be deleted")
def test_what_is_being_written_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "photo.wave.jpg"
    with atomic_write(path) as temporary:
        temporary.write_bytes(b"half")
        remove_partial_writes(tmp_path, path.stem)
        assert temporary.exists()
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]
