"""All styles through a cluster of Ray: each is a task, which Ray starts where GPUs or cores are free."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastnst.errors import FastnstError
from fastnst.terminal import one_line
from train.config import TrainingConfig
from train.many.options import ManyOptions
from train.many.places import BYTES_OF_A_RUN, CORES_OF_A_RUN, gpus_of_a_run
from train.many.ray_task import BEGUN, Board, Place, look, train_style
from train.many.stop_signals import StopSignals
from train.many.style_run import StyleRun
from train.many.view import View

_POLL_SECONDS = 0.2
_LOOK_SECONDS = 120

# Machines that may be lost while they train a style, until it counts as failed.
_MOST_LOST = 3

# Of this machine's environment, what trainings on other machines need.
_HANDED_ON = ("AWS_", "FASTNST_", "HF_", "WANDB_")


class Share(NamedTuple):
    """What each training gets of the cluster.

    Attributes:
        cpus: Cores.
        gpus: GPUs; a half lets two trainings share one.
        memory: Bytes that must be free; 0 on GPUs.
        at_once: How many trainings the cluster has room for.
    """

    cpus: int
    gpus: float
    memory: int
    at_once: int


def train_on_cluster(runs: Sequence[StyleRun], options: ManyOptions, view: View) -> bool:
    """Train and export styles on all machines of a cluster.

    A signal stops all trainings, each of which saves, and starts no more. The main thread must call this.

    Args:
        runs: The styles, which are changed.
        options: The command line, with the cluster's address.
        view: Shows the progress.

    Returns:
        Whether a signal came.

    Raises:
        FastnstError: If Ray is missing, no cluster answers or it is lost, no machine has what a training
            needs, or one does not share the folders.
    """
    assert options.ray is not None
    with (
        _connected(options.ray) as ray,
        _marked(runs[0].log.parent) as place,
        # Ray tells there of processes that were lost.
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        machines = [node for node in ray.nodes() if node["Alive"]]
        resources = [node["Resources"] for node in machines]
        share = share_cluster(resources, options.config, options.jobs, len(runs))
        fit = [
            node["NodeID"]
            for node, each in zip(machines, resources, strict=True)
            if each.get("CPU", 0) >= share.cpus and each.get("GPU", 0) >= share.gpus
        ]
        _check_machines(ray, fit, place)
        where = _described(share, len(fit))
        view.say(f"{len(runs)} styles, {where}; {runs[0].log.parent}/ has what each of them tells")
        try:
            return _Cluster(ray, runs, options, share, place, view).train()
        except ray.exceptions.RayTaskError:
            raise  # a mistake in fastnst itself
        except ray.exceptions.RayError as error:
            raise FastnstError(
                f"--ray {options.ray}: the cluster is lost ({one_line(error)}); the same command goes on"
            ) from None


def share_cluster(
    machines: Sequence[Mapping[str, float]], config: TrainingConfig, jobs: int | None, styles: int
) -> Share:
    """Return what each training gets.

    Args:
        machines: Ray's resources of each machine: `CPU`, `GPU` and `memory`.
        config: The options of the trainings.
        jobs: How many may run at once; None for as many as there is room for.
        styles: How many styles there are.

    Raises:
        FastnstError: If no machine has as many GPUs as a training wants.
    """
    wants_gpus = config.accelerator in ("gpu", "cuda")
    has_gpus = config.accelerator == "auto" and any(each.get("GPU", 0) >= 1 for each in machines)
    if wants_gpus or has_gpus:
        return _share_gpus(machines, gpus_of_a_run(config), jobs, styles)
    cores = [int(each.get("CPU", 0)) for each in machines]
    most = max(1, *cores)
    cpus = min(CORES_OF_A_RUN, most)
    if jobs is not None:
        cpus = next((count for count in range(most, 0, -1) if _room(cores, count) >= min(jobs, styles)), 1)
    memory = int(min(BYTES_OF_A_RUN, max(each.get("memory", 0) for each in machines)))
    return Share(cpus, 0, memory, min(jobs or styles, max(1, _room(cores, cpus)), styles))


def _share_gpus(machines: Sequence[Mapping[str, float]], each: int, jobs: int | None, styles: int) -> Share:
    able = [machine for machine in machines if machine.get("GPU", 0) >= each]
    if not able:
        raise FastnstError(f"no machine of the cluster has {each} GPU{'s' * (each > 1)} for a training")
    room = _room([int(machine["GPU"]) for machine in able], each)
    jobs = min(jobs or room, styles)
    gpus: float = each
    if jobs > room and each == 1:
        gpus = 1 / math.ceil(jobs / room)
        room = round(room / gpus)
    cores = min(machine.get("CPU", 0) * gpus / machine["GPU"] for machine in able)
    return Share(max(1, min(CORES_OF_A_RUN, int(cores))), gpus, 0, min(jobs, room))


def _room(amounts: Sequence[int], each: int) -> int:
    return sum(amount // each for amount in amounts)


def _described(share: Share, machines: int) -> str:
    what = f"{share.gpus:.2g} GPU{'s' * (share.gpus > 1)}, " if share.gpus else ""
    many = f"{share.at_once} at a time" if share.at_once > 1 else "one at a time"
    on = f"{machines} machine{'s' * (machines != 1)}"
    return f"{many} on {on}, {what}{share.cpus} core{'s' * (share.cpus > 1)} each"


class _Cluster:
    """The tasks that run, and what they tell."""

    def __init__(
        self,
        ray: Any,
        runs: Sequence[StyleRun],
        options: ManyOptions,
        share: Share,
        place: Place,
        view: View,
    ) -> None:
        self._ray, self._options, self._place, self._view = ray, options, place, view
        self._most = options.jobs or len(runs)  # more than there is room for, as clusters may grow
        self._waiting = list(runs)
        self._by_name = {run.name: run for run in runs}
        self._running: dict[Any, StyleRun] = {}
        self._begun: set[str] = set()
        self._lost = dict.fromkeys(self._by_name, 0)
        # On this machine, where it ends with the command and not with another machine.
        here = _on(ray.get_runtime_context().get_node_id())
        self._board = ray.remote(num_cpus=0)(Board).options(scheduling_strategy=here).remote()
        self._task = ray.remote(
            num_cpus=share.cpus, num_gpus=share.gpus, memory=share.memory or None, max_retries=0
        )(train_style)
        self._environment = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
        if not share.gpus:
            self._environment["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", str(share.cpus))

    def train(self) -> bool:
        signals = StopSignals()
        with signals.counted():
            while self._running or (self._waiting and not signals.count):
                while self._waiting and len(self._running) < self._most and not signals.count:
                    self._start(self._waiting.pop(0))
                done, _ = self._ray.wait(list(self._running), timeout=_POLL_SECONDS)
                stops = signals.count
                self._show(stops)
                if stops:
                    self._cancel_unbegun()
                for task in done:
                    self._end(task, self._running.pop(task), is_stopping=signals.count > 0)
                self._view.draw()
        self._show(signals.count)
        return signals.count > 0

    def _start(self, run: StyleRun) -> None:
        config = dataclasses.replace(self._options.config, style=run.painting, name=None)
        task = self._task.remote(
            run,
            self._options.training,
            self._environment,
            self._place,
            config.checkpoint_path,
            self._board,
            is_again=self._lost[run.name] > 0,
        )
        self._running[task] = run

    def _show(self, stops: int) -> None:
        for told, event in self._ray.get(self._board.take.remote(stops)):
            run = self._by_name[told.name]
            if event == BEGUN:
                self._begun.add(run.name)
            else:
                run.become(told)
                self._view.tell(run, event)

    def _cancel_unbegun(self) -> None:
        """Take back what waits for a machine to be free; the board keeps it from beginning meanwhile."""
        for task, run in self._running.items():
            if run.name not in self._begun:
                self._ray.cancel(task)

    def _end(self, task: Any, run: StyleRun, *, is_stopping: bool) -> None:
        errors = self._ray.exceptions
        try:
            run.become(self._ray.get(task))
        except errors.TaskCancelledError:
            pass
        except errors.RayTaskError:
            raise  # a mistake in fastnst itself
        except errors.RayError as error:
            self._lost[run.name] += 1
            if is_stopping:
                run.interrupt(self._view.tell)
            elif self._lost[run.name] > _MOST_LOST:
                run.fail(f"its process on the cluster was lost: {one_line(error)}", self._view.tell)
            else:
                self._view.say(f"{run.name}: its process on the cluster was lost; another goes on")
                run.state = "waiting"
                self._begun.discard(run.name)
                self._waiting.insert(0, run)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a cluster, unless this process is, and return the module ray.

    Raises:
        FastnstError: If Ray is missing or no cluster answers.
    """
    # It would tell of a change to how it hides GPUs from tasks without them, which need none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise FastnstError(f"--ray needs Ray, which is not installed ({error}): pip install ray") from None
    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise FastnstError(
            f"--ray {address}: no cluster of Ray answers: {one_line(error)}{_advice_on_tokens()}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _advice_on_tokens() -> str:
    if os.environ.get("RAY_AUTH_MODE") == "token":
        return ""
    return " (a cluster that asks for a token needs RAY_AUTH_MODE=token and the token)"


@contextlib.contextmanager
def _marked(folder: Path) -> Iterator[Place]:
    """Write a file that shows other machines that they share this folder."""
    mark = folder.absolute() / f".shared-{uuid.uuid4().hex}"
    try:
        mark.touch()
    except OSError as error:
        raise FastnstError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield Place(Path.cwd(), mark)
    finally:
        mark.unlink(missing_ok=True)


def _check_machines(ray: Any, machines: Sequence[str], place: Place) -> None:
    """Have each machine look for the folders.

    Raises:
        FastnstError: If one does not see them, or cannot run this program.
    """
    task = ray.remote(num_cpus=0)(look)
    looking = [task.options(scheduling_strategy=_on(machine)).remote(place) for machine in machines]
    try:
        problems = [problem for problem in ray.get(looking, timeout=_LOOK_SECONDS) if problem]
    except ray.exceptions.RayError as error:
        why = one_line(getattr(error, "cause", None) or error)
        raise FastnstError(
            f"a machine of the cluster cannot run train.many: {why}: each needs this checkout at the same "
            "path, and its packages"
        ) from None
    if problems:
        raise FastnstError(problems[0])


def _on(machine: str) -> Any:
    """Return what has Ray run something on one machine and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(machine, soft=False)
