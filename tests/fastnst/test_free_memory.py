import pytest

from fastnst import free_memory as module
from fastnst.free_memory import free_memory


@pytest.mark.parametrize(
    ("limit", "use", "prefix"),
    [("memory.max", "memory.current", ""), ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")],
)
def test_a_container_has_its_own_limit(monkeypatch, tmp_path, limit, use, prefix):
    assert free_memory() > 10_000_000
    groups = [(str(tmp_path), *group[1:]) for group in module._CONTROL_GROUPS]
    monkeypatch.setattr(module, "_CONTROL_GROUPS", groups)
    assert free_memory() > 10_000_000  # there are no such files
    (tmp_path / use).write_text("4000000\n")
    stat = f"anon 1000000\n{prefix}inactive_file 2000000\n{prefix}active_file 500000\nunevictable 0\n"
    (tmp_path / "memory.stat").write_text(stat)
    (tmp_path / limit).write_text("max\n")
    assert free_memory() > 10_000_000
    (tmp_path / limit).write_text("5000000\n")
    assert free_memory() == 3_500_000
    (tmp_path / limit).write_text("1000000\n")
    assert free_memory() == 0
