"""All trainings of a folder of styles: started, stopped, resumed and deleted, one running at a time."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from fastnst.errors import FastnstError
from fastnst.file_lock import FileLock, LockedError
from fastnst.server.errors import ApiError
from fastnst.server.training import environment
from fastnst.server.training.painting import read_uploaded
from fastnst.server.training.recipes import QUALITIES, recipe, train_options
from fastnst.server.training.record import (
    FINISHED,
    RUNNING,
    STOPPED,
    Order,
    Progress,
    TrainingFolder,
    check_name,
    describe,
)

FOLDER = "trainings"
"""The folder of all trainings, in that of the styles."""

_KILLED = "Its process was killed; it goes on from its last checkpoint, at most a minute before."

# Who looks whether a training runs holds the lock of the folder for an instant, and a training that has ended
# holds it until its process is gone.
_LOCK_SECONDS, _LOCK_PAUSE = 3.0, 0.02

_CANCEL_SECONDS = 2.0


class Trainings:
    """The trainings. Calls are thread-safe, and wait for the disk.

    Args:
        styles: The folder that trained styles go to; the trainings are in `trainings/` inside.
        data: Their photos, as `python -m train --data` takes them.
        taken: Returns the names of all styles that are there.
        options: More options of `python -m train`.
        on_finished: Called with the name and file of each style that is trained, once.
    """

    def __init__(
        self,
        styles: Path,
        data: str,
        taken: Callable[[], Collection[str]],
        options: Sequence[str] = (),
        on_finished: Callable[[str, Path], None] = lambda _, __: None,
    ) -> None:
        self._folder = styles / FOLDER
        self._data, self._taken, self._options = data, taken, options
        self._on_finished = on_finished
        self._lock = threading.Lock()
        self._runner: subprocess.Popen[bytes] | None = None
        self._told: set[str] = set()
        self.missing = environment.missing()

    def overview(self) -> dict[str, Any]:
        """Return what is missing, the qualities with their minutes, and all trainings, the newest first."""
        trainings = [self._told_of(folder, order, is_long=False) for folder, order in self._all()]
        # Of several the newest, which comes first.
        seconds = {each["quality"]: each["seconds"] for each in reversed(trainings) if each["seconds"]}
        return {
            "missing": self.missing,
            "qualities": [
                {
                    "name": quality,
                    "minutes": max(1, round(seconds[quality] / 60))
                    if quality in seconds
                    else recipe(quality).minutes,
                    "is_measured": quality in seconds,
                }
                for quality in QUALITIES
            ],
            "trainings": trainings,
        }

    def get(self, name: str) -> dict[str, Any]:
        """Return one training, with the curve of its losses.

        Raises:
            ApiError: 404 if there is none.
        """
        return self._told_of(*self._find(name), is_long=True)

    def preview(self, name: str) -> Path:
        """Return the file of a training's picture; it need not exist yet."""
        return self._find(name)[0].preview

    def painting(self, name: str) -> Path:
        """Return the file of the painting, as a small JPEG."""
        return self._find(name)[0].thumbnail

    def check_free(self) -> None:
        """Check that a training can begin now.

        Raises:
            ApiError: 501 if the training environment is missing, 409 if a training runs.
        """
        if self.missing is not None:
            raise ApiError(501, self.missing)
        if self._is_running() and (name := self._running_name()) is not None:
            raise _busy(name)

    def start(self, name: str, quality: str, painting: bytes, max_pixels: int) -> dict[str, Any]:
        """Begin to train.

        Args:
            name: The new style's name.
            quality: One of `QUALITIES`.
            painting: The painting's file.
            max_pixels: More are refused.

        Returns:
            The training.

        Raises:
            ApiError: 409 if another one runs or the name is taken, 413 or 422 if the painting or the name
                cannot be used.
        """
        try:
            name = check_name(name)
        except FastnstError as error:
            raise ApiError(422, str(error)) from None
        self.check_free()
        thumbnail, suffix = read_uploaded(painting, max_pixels)
        with self._lock, self._held() as lock:
            self._check_not_taken(name)
            order = Order(
                name=name,
                quality=quality,
                painting=f"painting{suffix}",
                sha256=hashlib.sha256(painting).hexdigest(),
                options=tuple(train_options(quality, self._data, self._options)),
                created=time.time(),
            )
            # Whole before it has its name.
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self._folder) as temporary:
                new = TrainingFolder(Path(temporary) / name)
                new.path.mkdir()
                (new.path / order.painting).write_bytes(painting)
                new.thumbnail.write_bytes(thumbnail)
                new.write_order(order)
                new.path.rename(self._folder / name)
            self._run(TrainingFolder(self._folder / name), Progress(), lock)
        return self.get(name)

    def resume(self, name: str) -> dict[str, Any]:
        """Go on with a training that was stopped or failed.

        Raises:
            ApiError: 404 if there is none, 409 if it is finished or one runs.
        """
        self.check_free()
        folder, _ = self._find(name)
        with self._lock, self._held() as lock:
            progress = folder.read_progress()
            if progress.state == FINISHED:
                raise ApiError(409, f"{folder.path.name} is trained already")
            self._run(folder, progress, lock)
        return self.get(name)

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop a training; what it has learned is saved, and it can be resumed.

        Raises:
            ApiError: 404 if there is none, 409 if it does not run.
        """
        folder, order = self._find(name)
        if self._told_of(folder, order, is_long=False)["state"] != RUNNING:
            raise ApiError(409, f"{order.name} is not being trained")
        folder.cancel.touch()
        # Most end at once; one in the middle of a long step saves first.
        end = time.monotonic() + _CANCEL_SECONDS
        while time.monotonic() < end and self._is_running():
            time.sleep(0.05)
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a training with all that it has learned; a style that came of it stays.

        Raises:
            ApiError: 404 if there is none, 409 if it runs.
        """
        folder, order = self._find(name)
        with self._lock:
            if self._told_of(folder, order, is_long=False)["state"] == RUNNING:
                raise ApiError(409, f"{order.name} is being trained: cancel it first")
            try:
                with self._held() as lock:
                    lock.forget()
            except ApiError:  # another one runs, which does not matter
                pass
            # Under another name first: half a training is none.
            with tempfile.TemporaryDirectory(prefix=".old-", dir=self._folder) as temporary:
                folder.path.rename(Path(temporary) / "old")
            self._told.discard(order.name)

    def trained(self) -> dict[str, Path]:
        """Return the style files of finished trainings by their names."""
        return {
            order.name: folder.style
            for folder, order in self._all()
            if folder.read_progress().state == FINISHED and folder.style.exists()
        }

    def close(self, seconds: float) -> None:
        """Have the training that this server started save and stop, and wait some seconds for it."""
        with self._lock:
            runner = self._runner
            if runner is None:
                return
            assert runner.stdin is not None
            runner.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.wait(seconds)

    def _all(self) -> list[tuple[TrainingFolder, Order]]:
        try:
            paths = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        except OSError:
            return []
        found = [(TrainingFolder(path), TrainingFolder(path).read_order()) for path in paths]
        trainings = [(folder, order) for folder, order in found if order and order.name == folder.path.name]
        return sorted(trainings, key=lambda each: -each[1].created)

    def _find(self, name: str) -> tuple[TrainingFolder, Order]:
        for folder, order in self._all():  # no name is ever made a path
            if order.name == name:
                return folder, order
        raise ApiError(404, f"no training is called {name[:80]!r}")

    def _told_of(self, folder: TrainingFolder, order: Order, *, is_long: bool) -> dict[str, Any]:
        is_running = self._is_running()  # before its state is read, which it writes before it ends
        progress = folder.read_progress()
        if progress.state == RUNNING and not is_running:
            progress = folder.read_progress()
            if progress.state == RUNNING:
                progress.end(STOPPED, _KILLED)
        if progress.state == FINISHED and order.name not in self._told:
            self._told.add(order.name)
            self._on_finished(order.name, folder.style)
        told = describe(order, progress, is_long=is_long)
        if progress.state == RUNNING and folder.cancel.exists():
            told["text"] = "stopping"
        return told

    def _check_not_taken(self, name: str) -> None:
        folded = name.casefold()
        if any(folded == order.name.casefold() for _, order in self._all()):
            raise ApiError(
                409, f"a training is called {name} already: resume or delete it, or give another name"
            )
        if folded in {each.casefold() for each in self._taken()}:
            raise ApiError(409, f"a style is called {name} already: give another name")

    def _is_running(self) -> bool:
        """Return whether a training runs, whichever server has started it."""
        if self._is_runner_alive():
            return True
        if not self._folder.is_dir():
            return False
        try:
            FileLock(self._lock_path, mode=0o600).forget()
        except LockedError:
            return True
        return False

    def _is_runner_alive(self) -> bool:
        runner = self._runner
        if runner is None:
            return False
        if runner.poll() is None:
            return True
        assert runner.stdin is not None
        runner.stdin.close()
        return False

    @property
    def _lock_path(self) -> Path:
        return self._folder / ".running.lock"

    @contextlib.contextmanager
    def _held(self) -> Iterator[FileLock]:
        """Hold the lock of the folder, which is then given to the process that trains.

        Raises:
            ApiError: 409 if a training runs, 500 if the folder cannot be written to.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = self._take_lock()
        except OSError as error:
            raise ApiError(
                500, f"trainings cannot be written to the folder of styles: {error.strerror or error}"
            ) from None
        try:
            for left in [*self._folder.glob(".new-*"), *self._folder.glob(".old-*")]:
                shutil.rmtree(left, ignore_errors=True)  # of servers that were killed
            yield lock
        except OSError as error:
            raise ApiError(500, f"the training cannot be written: {error.strerror or error}") from None
        finally:
            if lock.is_held:
                lock.forget()

    def _take_lock(self) -> FileLock:
        end = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                return FileLock(self._lock_path, mode=0o600)
            except LockedError:  # noqa: PERF203
                name = self._running_name()
                if time.monotonic() > end or (name is not None and self._is_runner_alive()):
                    raise _busy(name or "another style") from None
                time.sleep(_LOCK_PAUSE)

    def _running_name(self) -> str | None:
        """Return the name of the training that runs, if one does."""
        for folder, order in self._all():
            if folder.read_progress().state == RUNNING:
                return order.name
        return None

    def _run(self, folder: TrainingFolder, progress: Progress, lock: FileLock) -> None:
        """Start the process that trains; it holds the lock from now on."""
        for other, _ in self._all():  # those that were killed
            state = other.read_progress()
            if other.path != folder.path and state.state == RUNNING:
                state.end(STOPPED, _KILLED)
                other.write_progress(state)
        folder.cancel.unlink(missing_ok=True)
        progress.begin()
        folder.write_progress(progress)
        if self._runner is not None:  # it has ended, since its lock is free
            self._runner.wait()
            self._is_runner_alive()
        with folder.log.open("ab") as log:
            self._runner = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "fastnst.server.training.runner", str(folder.path.resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=folder.path,
                env=environment.command_environment(),
                start_new_session=True,
                pass_fds=(lock.descriptor,),
            )


def _busy(name: str) -> ApiError:
    return ApiError(409, f"{name} is being trained: one at a time; wait for it or cancel it")
