"""Many trainings on a cluster of Ray, of which this machine is all."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest

from fastnst.errors import FastnstError
from tests.train.many.conftest import ROOT
from train.config import TrainingConfig
from train.many import ray_cluster, ray_task
from train.many.ray_cluster import Share, share_cluster
from train.many.ray_task import Place, look

# Both turns on one cluster, which takes long to start.
TURNS = """
import io, json, os, signal, sys, threading, time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
import ray
from train.many import __main__ as command

stand_in, output, first, second, *given = sys.argv[1:]
command._show = lambda *_: (None, {})

def use_stand_in():
    from train.many import style_run
    style_run.PYTHON = (sys.executable, "-S", "-E", stand_in)

def many(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = command.main([*arguments, *given])
    return code, out.getvalue(), err.getvalue()

def interrupt():
    while not all(Path(output, f"long_{name}.runs").exists() for name in "ab"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

ray.init(
    num_cpus=2, num_gpus=0, include_dashboard=False, object_store_memory=10**8, log_to_driver=False,
    runtime_env={"worker_process_setup_hook": use_stand_in},
)
told = {"lost": many(*first.split())}
threading.Thread(target=interrupt).start()
told["stopped"] = many(*second.split())
told["again"] = many(*second.split())
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cluster_trains_and_goes_on_after_what_is_lost(stand_in, paintings, tmp_path):
    pytest.importorskip("ray", reason="Ray comes with fastnst[ray]")
    first = paintings("a", "killed", "lost", "failing")
    second = paintings("long_a", "long_b", "later")
    output = tmp_path / "out"
    given = ["--ray=local", "--jobs=2", "--data=generated", f"--output={output}", "--logger=none"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "disabled",
        "RANK": "1",
        "NOTED": "OMP_NUM_THREADS RANK WANDB_RUN_GROUP",
    }
    command = [
        sys.executable,
        "-c",
        TURNS,
        tmp_path / "stand_in.py",
        output,
        " ".join(first),
        " ".join(second),
    ]
    done = subprocess.run(
        [*map(str, command), *given, "--accelerator=cpu"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])

    code, out, err = told["lost"]
    assert code == 2, err
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["trained", "trained", "trained", "failed"]
    assert "4 styles, 2 at a time on 1 machine, 1 core each; " in err
    assert "lost: its process on the cluster was lost; another goes on\n" in err
    assert "failing: failed: failing.jpg is no picture (" in err
    for name in ("killed", "lost"):
        log = (output / "many.logs" / f"{name}.log").read_text()
        # What is told in the last moments of a machine is lost.
        assert '"step": 0' in log or name == "lost"
        assert '"step": 2' in log
        arguments, noted = json.loads((output / f"{name}.calls").read_text().splitlines()[1])
        assert "--fresh=false" in arguments or name == "lost"
        assert noted == {"OMP_NUM_THREADS": "1", "RANK": None, "WANDB_RUN_GROUP": "many"}

    code, out, err = told["stopped"]
    assert code == 130, err
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["interrupted", "interrupted", "waiting"]
    code, out, err = told["again"]
    assert code == 0, err
    assert '"step": 2' in (output / "many.logs" / "long_a.log").read_text()
    assert [path for path in (output / "many.logs").iterdir() if path.suffix != ".log"] == []


def test_without_ray_one_line_says_what_to_install(many, paintings, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = many(*paintings("a"), "--ray", "auto")
    assert code == 2
    assert err.splitlines()[-1].startswith("many: error: --ray needs Ray, which is not installed")


def test_a_machine_that_does_not_share_the_folders_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_task, "_SHARED_SECONDS", 0.0)
    monkeypatch.chdir(ROOT)
    mark = tmp_path / "logs" / "mark"
    mark.parent.mkdir()
    assert f" does not see the {mark.parent} of this machine: all machines must share " in look(
        Place(tmp_path, mark)
    )
    mark.touch()
    gone = tmp_path / "gone"
    assert f" does not see the {gone} of this machine: " in look(Place(gone, mark))
    assert Path.cwd() == ROOT
    assert look(Place(tmp_path, mark)) == ""
    assert Path.cwd() == tmp_path


GB = 10**9
SMALL = {"CPU": 6.0, "memory": 8.0 * GB}
LARGE = {"CPU": 64.0, "memory": 200.0 * GB}
GPUS = {"CPU": 32.0, "GPU": 8.0}
FEW_CORES = {"CPU": 6.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("machines", "options", "jobs", "share"),
    [
        ([SMALL, LARGE], {}, None, Share(4, 0, 3 * GB, 17)),
        ([SMALL, LARGE], {}, 2, Share(32, 0, 3 * GB, 2)),
        ([SMALL, LARGE], {}, 200, Share(3, 0, 3 * GB, 20)),
        ([{"CPU": 2.0, "memory": 1.0 * GB}], {}, None, Share(2, 0, GB, 1)),
        ([GPUS, SMALL], {}, None, Share(4, 1, 0, 8)),
        ([GPUS, FEW_CORES], {}, None, Share(1, 1, 0, 12)),
        ([GPUS, FEW_CORES], {"devices": 3}, None, Share(4, 3, 0, 3)),
        ([GPUS], {}, 5, Share(4, 1, 0, 5)),
        ([GPUS], {}, 12, Share(2, 0.5, 0, 12)),
        ([GPUS, LARGE], {"accelerator": "cpu"}, None, Share(4, 0, 3 * GB, 20)),
    ],
)
def test_each_training_gets_its_share_of_the_cluster(machines, options, jobs, share):
    config = TrainingConfig(style=Path("a.jpg"), **options)
    assert share_cluster(machines, config, jobs, styles=20) == share


def test_gpus_that_no_machine_has_are_a_mistake():
    for options, line in (({"devices": 9}, "has 9 GPUs"), ({"accelerator": "gpu"}, "has 1 GPU for")):
        machines = [GPUS] if "devices" in options else [SMALL]
        with pytest.raises(FastnstError, match=f"no machine of the cluster {line}"):
            share_cluster(machines, TrainingConfig(style=Path("a.jpg"), **options), None, 2)


def test_a_cluster_that_is_lost_is_one_line(paintings, many, monkeypatch, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray comes with fastnst[ray]")

    class Lost(Mock):
        def train(self):
            raise ray.exceptions.ActorDiedError

    stand_in = MagicMock(exceptions=ray.exceptions)
    stand_in.nodes.return_value = [{"Alive": True, "NodeID": "ab" * 28, "Resources": SMALL}]
    stand_in.get.return_value = [""]
    monkeypatch.setattr(ray_cluster, "_connected", lambda _: contextlib.nullcontext(stand_in))
    monkeypatch.setattr(ray_cluster, "_Cluster", Lost)
    code, _, err = many(*paintings("a"), "--ray", "auto", f"--output={tmp_path}")
    assert code == 2
    line = err.splitlines()[-1]
    assert line.startswith("many: error: --ray auto: the cluster is lost (")
    assert line.endswith("); the same command goes on")


def test_what_tells_of_the_trainings_is_on_the_machine_of_the_command():
    pytest.importorskip("ray", reason="Ray comes with fastnst[ray]")
    ray, options = MagicMock(), Mock(jobs=None)
    ray.get_runtime_context().get_node_id.return_value = "cd" * 28
    ray_cluster._Cluster(ray, [], options, Share(1, 0, 0, 1), Place(Path(), Path()), Mock())
    placed = ray.remote.return_value.return_value.options.call_args.kwargs["scheduling_strategy"]
    assert (placed.node_id, placed.soft) == ("cd" * 28, False)
