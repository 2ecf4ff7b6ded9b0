"""Two machines that train together: two processes that know each other by an address, Slurm or torchrun."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.train.compare_states import assert_same_state
from train.cli import _process_number
from train.machine.lost_process import naming_lost_processes
from train.network.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[3]

# Each turn is the same command on both machines, and what happens to it. PyTorch is imported once for all.
TURNS = """
import contextlib, json, os, random, signal, socket, sys, time, traceback
from pathlib import Path
from train.cli import main
from train.run import settle, run

settle.PREVIEW_SIZE = 32
output, elsewhere, whole, *arguments = sys.argv[1:]
checkpoint = Path(output) / "tiny.ckpt"
ends = {}

# What the processes are told of each other: by hand, by srun, and by torchrun.
def by_hand(number, port):
    return {"NODE_RANK": number, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

def by_slurm(number, port):
    job = {"JOB_ID": 10_000 + port - 15_000, "JOB_NAME": "fastnst", "NODELIST": "localhost", "LOCALID": 0}
    counts = {"NNODES": 2, "NTASKS": 2, "NTASKS_PER_NODE": 1, "NODEID": number, "PROCID": number}
    return {f"SLURM_{name}": value for name, value in {**job, **counts}.items()}

def by_torchrun(number, port):
    ranks = {"RANK": number, "GROUP_RANK": number, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1}
    return {**ranks, "TORCHELASTIC_RUN_ID": "a run", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}

def machine(turn, number, told, folder):
    child = os.fork()
    if child:
        return child
    for stream in (1, 2):
        os.dup2(os.open(f"{output}/{turn}.{number}.{stream}", os.O_WRONLY | os.O_CREAT), stream)
    os.environ |= {name: str(value) for name, value in told.items()}
    code = 70
    try:
        code = main([*arguments, f"--output={folder}"])
    except BaseException:
        traceback.print_exc()
    os._exit(code)

def free_port():
    while True:
        port = random.randrange(15_000, 25_000)  # as of a job of Slurm
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port

def together(turn, folders, told, happen=None):
    port = free_port()
    saved = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    machines = [machine(turn, number, told(number, port), folder) for number, folder in enumerate(folders)]
    if happen:
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == saved:
            time.sleep(0.005)
            assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in machines), "it ended before"
        os.kill(machines[1], happen)
    ends[turn] = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in machines]

os.mkdir(output)
try:
    together("killed", [output, output], by_hand, signal.SIGKILL)
    together("unshared", [output, elsewhere], by_hand)
    together("stopped", [output, output], by_slurm, signal.SIGTERM)
    together("finished", [output, output], by_torchrun)
    together("whole", [whole, elsewhere], by_hand)
finally:
    print(json.dumps(ends))
"""

OPTIONS = {"images": 240, "learning_rate": 1e-4, "checkpoint_seconds": 0, "log_every": 5}


@pytest.fixture(scope="module")
def turns(tiny, environment, tmp_path_factory):
    """Return the exit codes of each turn, and the folders."""
    root = tmp_path_factory.mktemp("nodes")
    options = OPTIONS | {"devices": 1, "num_nodes": 2, "strategy": "ddp", "logger": "csv"}
    arguments = [text for text in tiny.arguments(root, **options) if not text.startswith("--output=")]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            TURNS,
            *(root / name for name in ("output", "elsewhere", "whole")),
            *arguments,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), root


def told(turns, turn, number, stream=2):
    return (turns[1] / "output" / f"{turn}.{number}.{stream}").read_text()


@pytest.mark.slow
def test_a_machine_that_dies_ends_the_run_in_one_line_and_nothing_is_lost(turns):
    assert turns[0]["killed"] == [2, -9]
    line = told(turns, "killed", 0).splitlines()[-1]
    assert line == (
        "train: error: another process of this run has ended or cannot be reached, and may say why: the same "
        f"command on every machine goes on from {turns[1] / 'output' / 'tiny.ckpt'}"
    )
    assert "Traceback" not in told(turns, "killed", 0)


@pytest.mark.slow
def test_a_checkpoint_that_only_one_machine_has_is_a_mistake(turns):
    assert turns[0]["unshared"] == [2, 2]
    for number, where in ((0, ""), (1, " in process 1")):
        line = told(turns, "unshared", number).splitlines()[-1]
        assert line.startswith(f"train: error{where}: only some of the machines have the checkpoint")


@pytest.mark.slow
def test_a_signal_to_one_machine_saves_and_stops_all(turns):
    assert turns[0]["stopped"] == [130, 130]
    assert "interrupted: " in told(turns, "stopped", 0)


@pytest.mark.slow
def test_the_same_command_ends_with_the_weights_of_an_uninterrupted_run(turns):
    assert turns[0]["finished"] == turns[0]["whole"] == [0, 0]
    assert "going on from " in told(turns, "finished", 0)
    assert_same_state(turns[1] / "output" / "tiny.ckpt", turns[1] / "whole" / "tiny.ckpt")


@pytest.mark.slow
def test_two_machines_train_like_one_with_twice_the_batch(turns, tiny, train, tmp_path):
    code, _, err = train(tiny.arguments(tmp_path, **OPTIONS | {"batch_size": 4, "checkpoint_seconds": 1000}))
    assert code == 0, err
    two, one = load_checkpoint(turns[1] / "whole" / "tiny.ckpt"), load_checkpoint(tmp_path / "tiny.ckpt")
    assert (two.steps, two.record.world_size) == (60, 2)
    ours, theirs = (
        torch.cat([value.flatten() for value in checkpoint.state["state_dict"].values()])
        for checkpoint in (two, one)
    )
    moved = OPTIONS["learning_rate"] * 60
    assert (ours - theirs).square().mean().sqrt() < 0.05 * moved


@pytest.mark.slow
def test_only_the_first_machine_writes_and_speaks(turns):
    _, root = turns
    assert [path for path in (root / "elsewhere").rglob("*") if path.is_file()] == []
    for turn in ("finished", "whole"):
        assert told(turns, turn, 1) == told(turns, turn, 1, stream=1) == ""
    assert told(turns, "whole", 0, stream=1) == f"{root / 'whole' / 'tiny.ckpt'}\n"
    assert {path.name for path in (root / "whole").iterdir()} == {"tiny.ckpt", "tiny.png", "csv"}


def test_the_loss_of_another_process_is_told_from_other_errors(tmp_path):
    with (
        pytest.raises(RuntimeError, match="shapes"),
        naming_lost_processes(tmp_path / "a.ckpt"),
    ):
        raise RuntimeError("shapes differ")
    for error in (
        RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"),
        torch.distributed.DistNetworkError("The client socket has timed out"),
    ):
        with (
            pytest.raises(Exception, match="goes on from the start, as there is no checkpoint yet"),
            naming_lost_processes(tmp_path / "a.ckpt"),
        ):
            raise error


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, 0),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, 2),
        ({"NODE_RANK": "1"}, 1),
        ({"RANK": "0", "LOCAL_RANK": "0"}, 0),
    ],
)
def test_a_process_tells_its_number(environment, number, monkeypatch):
    for name in ("RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _process_number() == number
