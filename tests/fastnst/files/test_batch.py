"""Many images at once: in order, each by itself, a few at a time, and whole whatever happens."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastnst import FastnstError
from fastnst.file_lock import LockedError
from fastnst.files.batch import Outcome, paint_batch
from fastnst.files.claim import claim
from fastnst.files.lanes import Lanes
from fastnst.files.plan import Task
from fastnst.files.result import DiskFullError, ResultExistsError, write_result
from fastnst.image.encode import encode_image
from fastnst.image.file import Picture, read_image
from fastnst.model.running import run_until_stopped
from tests.fastnst.make_images import encoded

PATIENCE = 60


def invert(image: np.ndarray) -> np.ndarray:
    return 255 - image


def encode(task: Task, picture: Picture) -> bytes:
    return encode_image(picture, "PNG")


def numbers(outcomes: list[Outcome]) -> list[int]:
    return [int(outcome.task.source.stem) for outcome in outcomes]


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    """Thirty images, each with its number in every pixel."""
    folder = tmp_path / "in"
    folder.mkdir()
    found = []
    for number in range(30):
        path = folder / f"{number:02}.png"
        path.write_bytes(encoded(np.full((6, 5, 3), number, np.uint8)))
        found.append(Task(path, tmp_path / "out" / f"{number:02}.png"))
    return found


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("fastnst"):
            thread.join(5)  # those that read may end after an exception
            assert not thread.is_alive(), thread.name


def run(tasks: Iterable[Task], *, lanes: int = 0, **options: Any) -> list[Outcome]:
    outcomes: list[Outcome] = []
    given = {"paint": invert, "read": read_image, "encode": encode, "report": outcomes.append, **options}
    paint_batch(tasks, lanes=Lanes(lanes, given["paint"], lambda *_: True) if lanes else None, **given)
    return outcomes


@pytest.mark.parametrize(("workers", "lanes"), [(1, 0), (3, 0), (None, 0), (1, 2), (3, 5)])
def test_every_image_is_painted_and_reported_in_order(
    tasks: list[Task], workers: int | None, lanes: int
) -> None:
    threads = set()

    def paint(image: np.ndarray) -> np.ndarray:
        threads.add(threading.current_thread())
        return invert(image)

    outcomes = run(tasks, paint=paint, workers=workers, lanes=lanes)
    assert numbers(outcomes) == list(range(30))
    assert all(outcome.error is None for outcome in outcomes)
    if lanes:
        assert 1 <= len(threads) <= lanes
        assert threading.main_thread() not in threads
    else:
        assert threads == {threading.main_thread()}
    for number, task in enumerate(tasks):
        with Image.open(task.result) as image:
            assert (np.asarray(image) == 255 - number).all()


def test_the_next_is_read_and_the_last_is_written_while_one_is_painted(tasks: list[Task]) -> None:
    read_begun = [threading.Event() for _ in tasks]
    painting_last = threading.Event()
    both_written = threading.Barrier(2)
    painted: list[bool] = []

    def read(path: Path) -> Picture:
        read_begun[int(path.stem)].set()
        return read_image(path)

    def paint(image: np.ndarray) -> np.ndarray:
        number = len(painted)
        painted.append(number == 3 or read_begun[number + 1].wait(PATIENCE))
        if number == 3:
            painting_last.set()
        return invert(image)

    def slow_encode(task: Task, picture: Picture) -> bytes:
        if task.source.stem in ("00", "01"):
            # Both are written at the same time, and two others are painted meanwhile.
            both_written.wait(PATIENCE)
            assert painting_last.wait(PATIENCE)
        return encode(task, picture)

    outcomes = run(tasks[:4], paint=paint, read=read, encode=slow_encode, workers=4)
    assert painted == [True] * 4
    assert [outcome.error for outcome in outcomes] == [None] * 4


@pytest.mark.parametrize(("workers", "lanes"), [(1, 0), (3, 0), (1, 3)])
def test_few_pictures_are_held_at_once(tasks: list[Task], workers: int, lanes: int) -> None:
    taken = 0
    too_many = threading.Event()
    reported: list[Outcome] = []

    def counted() -> Iterator[Task]:
        nonlocal taken
        for task in tasks:
            taken += 1
            if taken - len(reported) > 2 * workers + 2 + 2 * lanes:
                too_many.set()
            yield task

    def encode_the_first_slowly(task: Task, picture: Picture) -> bytes:
        if task.source.stem == "00":
            too_many.wait(0.5)  # time enough to paint all the others, if that were allowed
        return encode(task, picture)

    run(counted(), encode=encode_the_first_slowly, report=reported.append, workers=workers, lanes=lanes)
    assert len(reported) == len(tasks)
    assert not too_many.is_set()


@pytest.mark.parametrize("lanes", [0, 3])
def test_what_goes_wrong_is_that_images_alone(tasks: list[Task], tmp_path: Path, lanes: int) -> None:
    tasks[1].source.write_bytes(b"no image")
    tasks[2].source.unlink()
    tasks[9] = Task(tasks[9].source, tmp_path / "in" / "00.png" / "below" / "9.png")

    def read(path: Path) -> Picture:
        if path.stem == "03":
            raise MemoryError
        if path.stem == "04":
            raise RuntimeError("of nobody's making\nsecond line")
        return read_image(path)

    def paint(image: np.ndarray) -> np.ndarray:
        number = image[0, 0, 0]
        if number == 5:
            raise FastnstError("the model gave NaN")
        if number == 6:
            raise MemoryError
        return invert(image)

    def failing_encode(task: Task, picture: Picture) -> bytes:
        if task.source.stem == "08":
            raise FastnstError("cannot write it")
        if task.source.stem == "07":
            raise ZeroDivisionError
        return encode(task, picture)

    outcomes = run(tasks, read=read, paint=paint, encode=failing_encode, workers=2, lanes=lanes)
    assert numbers(outcomes) == list(range(30))
    errors = {number: outcome.error for number, outcome in enumerate(outcomes) if outcome.error}
    names = [str(task.source) for task in tasks]
    assert errors.pop(1) == f"{names[1]} is no image that fastnst reads, or its header is damaged"
    assert errors.pop(2) == f"{names[2]} does not exist"
    assert errors.pop(3) == f"{names[3]} does not fit into memory: resize it"
    assert errors.pop(4) == f"{names[4]} cannot be done: RuntimeError: of nobody's making"
    assert errors.pop(5) == f"{names[5]}: the model gave NaN"
    assert errors.pop(6) == f"{names[6]} does not fit into memory: resize it"
    assert errors.pop(7) == f"{names[7]} cannot be done: ZeroDivisionError"
    assert errors.pop(8) == f"{names[8]}: cannot write it"
    assert "is not a folder" in str(errors.pop(9))
    assert errors == {}
    assert len(list((tmp_path / "out").iterdir())) == 30 - 9


@pytest.mark.parametrize("lanes", [0, 3])
def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(
    tasks: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    fsync = os.fsync
    room = threading.Semaphore(10)

    def full(descriptor: int) -> None:
        if not room.acquire(blocking=False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    outcomes: list[Outcome] = []
    with pytest.raises(DiskFullError, match=r"out.*the disk is full: free \d+ bytes"):
        run(tasks, report=outcomes.append, workers=3, lanes=lanes)
    assert all(outcome.error is None for outcome in outcomes)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        outcome.task.result.name for outcome in outcomes
    ]
    assert len(outcomes) == 10


def test_a_result_that_another_program_writes_meanwhile_stays(tasks: list[Task]) -> None:
    def appear(number: int) -> None:
        tasks[number].result.write_bytes(b"precious")

    def read(path: Path) -> Picture:
        if path.stem == "05":
            tasks[5].result.parent.mkdir(exist_ok=True)
            appear(5)
        assert path.stem != "29"
        return read_image(path)

    painted = []

    def paint(image: np.ndarray) -> np.ndarray:
        painted.append(int(image[0, 0, 0]))
        if painted[-1] == 7:
            appear(7)
        if painted[-1] == 10:
            appear(29)
        return invert(image)

    def late_encode(task: Task, picture: Picture) -> bytes:
        if task.source.stem == "09":
            appear(9)
        return encode(task, picture)

    outcomes = run(tasks, paint=paint, read=read, encode=late_encode, workers=2)
    assert numbers(outcomes) == list(range(30))
    assert [outcome.error for outcome in outcomes] == [None] * 30
    assert [number for number in range(30) if outcomes[number].is_skipped] == [5, 7, 9, 29]
    assert painted == [number for number in range(29) if number != 5]
    for number, task in enumerate(tasks):
        assert (task.result.read_bytes() == b"precious") == (number in (5, 7, 9, 29))
    assert list(tasks[0].result.parent.glob(".*")) == []
    again = run(tasks, replace=True)
    assert not any(outcome.is_skipped for outcome in again)
    with Image.open(tasks[5].result) as image:
        assert (np.asarray(image) == 255 - 5).all()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
@pytest.mark.parametrize("lanes", [0, 3])
def test_what_another_process_is_painting_comes_last(tasks: list[Task], lanes: int) -> None:
    tasks[0].result.parent.mkdir()
    done, given_up = claim(tasks[2].result), claim(tasks[4].result)
    with pytest.raises(LockedError):
        claim(tasks[2].result)
    waits: list[Task] = []

    def on_wait(task: Task) -> None:
        waits.append(task)
        if task is tasks[2]:
            task.result.write_bytes(b"another's")
            done.release(delete=True)
        else:
            threading.Timer(0.05, given_up.release, kwargs={"delete": True}).start()

    outcomes = run(tasks[:8], on_wait=on_wait, lanes=lanes)
    assert waits == [tasks[2], tasks[4]]
    assert numbers(outcomes) == [0, 1, 3, 5, 6, 7, 2, 4]
    assert [outcome.is_skipped for outcome in outcomes] == [False] * 6 + [True, False]
    assert tasks[2].result.read_bytes() == b"another's"
    assert tasks[4].result.exists()
    assert list(tasks[0].result.parent.glob(".*")) == []
    with pytest.raises(KeyboardInterrupt):
        run(tasks[8:], paint=interrupted, lanes=lanes)
    assert list(tasks[0].result.parent.glob(".*")) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locks")
def test_what_has_a_claims_name_costs_one_image(tasks: list[Task]) -> None:
    folder = tasks[0].result.parent
    folder.mkdir()
    held = claim(tasks[1].result)
    (path,) = folder.iterdir()
    held.release(delete=True)
    path.symlink_to(tasks[0].source)
    outcomes = run(tasks[:3])
    assert numbers(outcomes) == [0, 1, 2]
    assert [outcome.error for outcome in outcomes] == [
        None,
        f"{path} is not a file that fastnst left: delete it",
        None,
    ]


def interrupted(_: np.ndarray) -> np.ndarray:
    raise KeyboardInterrupt


@pytest.mark.parametrize("lanes", [0, 3])
@pytest.mark.parametrize("where", ["paint", "report"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_finishes_what_is_being_written(
    tasks: list[Task], tmp_path: Path, where: str, interruption: type[BaseException], lanes: int
) -> None:
    outcomes: list[Outcome] = []
    interrupted = threading.Event()

    def interrupt() -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise interruption

    def paint(image: np.ndarray) -> np.ndarray:
        if where == "paint" and image[0, 0, 0] == 3:
            interrupt()
        return invert(image)

    def report(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if where == "report" and len(outcomes) == 4:
            interrupt()

    def slow_encode(task: Task, picture: Picture) -> bytes:
        # Of those before the interruption, one is still being written when it comes.
        if where == "paint" and task.source.stem == "02":
            assert interrupted.wait(PATIENCE)
        return encode(task, picture)

    with pytest.raises(interruption):
        run(tasks, paint=paint, report=report, encode=slow_encode, workers=4, lanes=lanes)
    expected = [number for number in range(30) if (where, number) != ("paint", 3)]
    assert numbers(outcomes) == expected[: len(outcomes)]
    if where == "paint" and not lanes:
        assert len(outcomes) == 3
    assert 3 <= len(outcomes) <= 14 + 2 * lanes
    done = sorted((tmp_path / "out").iterdir())
    assert done == [outcome.task.result for outcome in outcomes]
    for path in done:
        with Image.open(path) as image:
            image.load()


def test_lanes_paint_at_the_same_time_and_large_pictures_alone(tasks: list[Task]) -> None:
    for number in (12, 13, 20):
        tasks[number].source.write_bytes(encoded(np.full((60, 5, 3), number, np.uint8)))
    together = threading.Barrier(3)
    lock = threading.Lock()
    running: set[int] = set()
    most = 0

    def paint(image: np.ndarray) -> np.ndarray:
        nonlocal most
        number = int(image[0, 0, 0])
        with lock:
            running.add(number)
            most = max(most, len(running))
        if number < 3:
            together.wait(PATIENCE)
        with lock:
            running.discard(number)
        return invert(image)

    def paint_alone(image: np.ndarray) -> np.ndarray:
        assert threading.current_thread() is threading.main_thread()
        assert len(image) == 60
        assert not running
        return invert(image)

    outcomes: list[Outcome] = []
    paint_batch(
        tasks,
        paint_alone,
        read=read_image,
        encode=encode,
        report=outcomes.append,
        workers=2,
        lanes=Lanes(3, paint, lambda height, width: height * width < 100),
    )
    assert numbers(outcomes) == list(range(30))
    assert [outcome.error for outcome in outcomes] == [None] * 30
    assert most == 3
    for number, task in enumerate(tasks):
        with Image.open(task.result) as image:
            assert (np.asarray(image) == 255 - number).all()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_an_interruption_ends_what_lanes_are_painting(tasks: list[Task], tmp_path: Path) -> None:
    """A network that runs in another thread is stopped: the command does not wait for its end."""
    stopped = threading.Event()
    both_begun = threading.Barrier(2, action=lambda: os.kill(os.getpid(), signal.SIGUSR1))
    in_time: list[bool] = []

    def network() -> None:
        in_time.append(stopped.wait(PATIENCE))
        raise RuntimeError("it was told to stop")

    def paint(image: np.ndarray) -> np.ndarray:
        if image[0, 0, 0] in (4, 5):
            both_begun.wait(PATIENCE)
            run_until_stopped(network, stopped.set)
        return invert(image)

    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    outcomes: list[Outcome] = []
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tasks, paint=paint, report=outcomes.append, workers=1, lanes=2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert False not in in_time
    done = sorted((tmp_path / "out").iterdir())  # without claims
    assert {outcome.task.result for outcome in outcomes} <= set(done)
    assert not {tasks[4].result, tasks[5].result} & set(done)


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (errno.ENOSPC, DiskFullError, "the disk is full: free 1,000 bytes"),
        (errno.EDQUOT, DiskFullError, "the disk is full"),
        (errno.EROFS, FastnstError, "is read-only: give -o FOLDER"),
        (errno.EIO, FastnstError, "Input/output error"),
    ],
)
def test_a_result_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[FastnstError], says: str
) -> None:
    def broken(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    write_result(tmp_path / "a" / "b" / "x.png", b"old")
    with pytest.raises(ResultExistsError, match="exists: --overwrite replaces it"):
        write_result(tmp_path / "a" / "b" / "x.png", b"new")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(FastnstError, match=says) as raised:
        write_result(tmp_path / "a" / "b" / "x.png", bytes(1000))
    assert type(raised.value) is error
    assert [path.read_bytes() for path in (tmp_path / "a" / "b").iterdir()] == [b"old"]
