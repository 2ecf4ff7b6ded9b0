"""Damaged and hostile checkpoints and YAML options, a second of each; longer runs with -m long."""

import pytest

from tests.train import fuzz


@pytest.mark.filterwarnings("ignore")  # PyTorch's, of tensors that are sparse or complex
@pytest.mark.parametrize(("kind", "most"), [("checkpoint", 100), ("config", 15)])
def test_hostile_files_are_read_or_refused_in_one_line(kind, most):
    assert fuzz.findings(kind, 0, seconds=60, most=most) == (most, [])


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_the_fuzzer_finds_nothing_in_a_minute(kind):
    assert fuzz.findings(kind, 1000, seconds=60)[1] == []
