"""The memory that a process may use, inside every kind of limit."""

from dataclasses import replace
from pathlib import Path

import pytest

from fastnst import free_memory as module
from fastnst.free_memory import free_memory

FREE = 10_000_000


@pytest.mark.parametrize(
    ("version", "prefix", "entry"),
    [("_VERSION_2", "", "0::{}"), ("_VERSION_1", "total_", "0::/\n9:cpu,memory:{}\n8:cpuset:/other")],
)
def test_a_group_and_those_above_it_have_limits_of_their_own(monkeypatch, tmp_path, version, prefix, entry):
    groups = replace(getattr(module, version), folder=str(tmp_path))
    nowhere = replace(groups, folder=str(tmp_path / "nowhere"))
    for name in ("_VERSION_1", "_VERSION_2"):
        monkeypatch.setattr(module, name, groups if name == version else nowhere)
    own = tmp_path / "own-groups"
    monkeypatch.setattr(module, "_OWN_GROUPS", str(own))

    def limit(folder: Path, most: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / groups.use).write_text("4000000\n")
        cached = f"{prefix}inactive_file 2000000\n{prefix}active_file 500000\n"
        (folder / "memory.stat").write_text(f"anon 1000000\n{cached}unevictable 0\n")
        (folder / groups.limit).write_text(f"{most}\n")

    assert free_memory() > FREE  # there are no such files
    limit(tmp_path, "max")
    assert free_memory() > FREE
    limit(tmp_path, 5_000_000)  # a container, whose own group is the root
    assert free_memory() == 3_500_000
    limit(tmp_path, 1_000_000)
    assert free_memory() == 0
    limit(tmp_path, "max")
    job = tmp_path / "slurm" / "job_1" / "a:b"
    limit(job, "max")
    limit(job.parent, 6_000_000)
    limit(job.parents[1], 9_000_000)
    limit(tmp_path / "other", 1_000_000)
    assert free_memory() > FREE
    own.write_text(entry.format("/slurm/job_1/a:b") + "\n")
    assert free_memory() == 4_500_000
    limit(job, 5_000_000)
    assert free_memory() == 3_500_000
    own.write_text(entry.format("/of/the/host/slurm") + "\n")
    assert free_memory() > FREE
    own.write_text(entry.format("/../../slurm/job_1") + "\n")
    assert free_memory() > FREE
    limit(tmp_path, 5_000_000)  # inside a container, where the path may be the host's
    assert free_memory() == 3_500_000
