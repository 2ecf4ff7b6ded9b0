from fastnst import free_memory as module
from fastnst.free_memory import free_memory


def test_a_container_has_its_own_limit(monkeypatch, tmp_path):
    assert free_memory() > 10_000_000
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "limit").write_text("5000000\n")
    monkeypatch.setattr(module, "_MEMORY_LIMITS", (tmp_path / "gone", tmp_path / "max"))
    assert free_memory() > 5_000_000
    monkeypatch.setattr(module, "_MEMORY_LIMITS", (tmp_path / "gone", tmp_path / "limit"))
    assert free_memory() == 5_000_000
