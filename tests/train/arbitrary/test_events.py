"""`python -m train.arbitrary --progress json` tells what `python -m train` tells."""

import json

from tests.train.arbitrary.test_command import arguments
from train.arbitrary.__main__ import main


def test_a_run_and_a_mistake(tiny, tmp_path, capsys):
    given = arguments(tiny, tmp_path, images=4, progress="json")
    assert main(given) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'any_painting.ckpt'}\n"
    events = [json.loads(line) for line in err.splitlines()]
    names = [event["event"] for event in events]
    assert names[-1] == "finished"
    assert set(names) == {"message", "started", "progress", "preview", "saved", "finished"}
    started = events[names.index("started")]
    assert (started["step"], started["steps"], started["preset"]) == (0, 2, "arbitrary")
    assert events[-1]["steps"] == 2
    assert main(given) == 0
    again = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert again[-1] == events[-1]
    assert main(arguments(tiny, tmp_path, paintings="nothing.jpg", progress="json")) == 2
    (mistake,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert mistake == {"event": "error", "text": "there is no painting nothing.jpg", "process": 0}
