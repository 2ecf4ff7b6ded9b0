"""What a terminal shows while styles are trained."""

import io
import json
import sys

import pytest

from train.many import view as module
from train.many.style_run import StyleRun
from train.many.view import View

PROGRESS = {
    "event": "progress",
    "step": 2,
    "steps": 8,
    "fraction": 0.25,
    "images_per_second": None,
    "seconds_left": 125.0,
    "losses": {"content": 0.5, "style": None},
}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def runs(tmp_path):
    names = ("wave", "a_name_that_is_longer_than_its_room", "tab\tin it")
    return [StyleRun(name, tmp_path / "a.png", tmp_path / "a.log", state="training") for name in names]


def shown(runs, monkeypatch, *, rows=30, columns=100):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "_REDRAWN_SECONDS", 0.0)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(rows))
    monkeypatch.setenv("TERM", "xterm")
    view = View(runs, as_events=False)
    view.draw()
    return view, terminal


def test_each_running_style_has_a_line_of_the_terminals_width(runs, monkeypatch):
    runs[0].progress = PROGRESS
    view, terminal = shown(runs, monkeypatch, columns=70)
    assert terminal.getvalue().splitlines() == [
        "wave                      [#####...............]  25%  step 2/8, 2:05",
        "a_name_that_is_longer...  [....................]   0%  beginning",
        "tab\\tin it                [....................]   0%  beginning",
        "0 of 3 styles done",
    ]
    runs[0].state, runs[0].reason = "failed", "no picture"
    view.tell(runs[0], {"event": "state", "state": "failed"})
    assert terminal.getvalue().endswith(f"\x1b[4F\x1b[Jwave: failed: no picture ({runs[0].log})\n")


def test_no_more_lines_are_redrawn_than_a_screen_holds(runs, monkeypatch):
    _, terminal = shown(runs, monkeypatch, rows=4)
    assert len(terminal.getvalue().splitlines()) == 3


def test_without_a_terminal_a_line_comes_at_times(runs, monkeypatch, capsys):
    view = View(runs, as_events=False)
    runs[0].progress = PROGRESS
    for _ in range(3):
        view.tell(runs[0], PROGRESS)
        view.draw()
    assert capsys.readouterr().err == "wave: step 2/8, 2:05 left, 0 images/s, content 0.500\n"


def test_a_line_for_people_is_a_message_for_programs(runs, capsys):
    View(runs, as_events=True).say("3 styles")
    assert json.loads(capsys.readouterr().err) == {"event": "message", "text": "3 styles"}
