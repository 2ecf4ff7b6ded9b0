import logging
import subprocess
import sys
from pathlib import Path

import pytest

from train.terminal import clock, print_path, say_once, set_up_terminal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log():
    """The log of `train`, put back afterwards."""
    logger = logging.getLogger("train")
    before = logger.handlers, logger.level, logger.propagate
    yield logger
    logger.handlers, logger.level, logger.propagate = before


@pytest.mark.parametrize(
    ("numbers", "speaks"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"LOCAL_RANK": ""}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "RANK": "4"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_the_first_process_speaks_for_all(numbers, speaks, monkeypatch, capsys, log):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, number in numbers.items():
        monkeypatch.setenv(name, number)
    say_once("reading")
    print_path(Path("style.ckpt"))
    assert capsys.readouterr() == (("style.ckpt\n", "reading\n") if speaks else ("", ""))
    set_up_terminal()
    log.info("a message")
    log.error("an error")
    assert capsys.readouterr().err == ("a message\n" if speaks else "") + "an error\n"


def test_evaluation_and_direct_optimisation_do_without_lightning():
    """Lightning takes seconds to import."""
    program = (
        "import sys, train.optimize.__main__, train.evaluate.__main__, train.evaluate.evaluation\n"
        "import train.loss.choice, train.loss.painting, train.optimize.pixels, train.optimize.progress\n"
        "sys.exit('lightning' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (5.4, "0:05"), (59.6, "1:00"), (750, "12:30"), (10_930, "3:02:10")]
)
def test_durations_are_read_as_people_read_them(seconds, text):
    assert clock(seconds) == text
