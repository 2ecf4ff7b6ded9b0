"""The documents' numbers are what their sources give, and one that is not is found."""

from __future__ import annotations

import sys

import pytest

from bench import numbers


def test_the_documents_show_what_their_sources_give():
    shown = [number for number in numbers.of_all_documents() if not number.is_slow]
    assert len(shown) > 25
    wrong = {number: numbers.found(number) for number in shown if not number.agrees(numbers.found(number))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("text", "value", "agrees"),
    [
        ("0.42<!-- number: styles -->", 0.4249, True),
        ("0.42<!-- number: styles -->", 0.4251, False),
        ("160,000<!-- number: styles -->", 160_000, True),
        ("160,000<!-- number: styles -->", 160_001, False),
        ("50<!-- number: styles / 1000 --> thousand", 50_003, True),
        ("50<!-- number: styles / 1000 --> thousand", 51_000, False),
        ("1 MB<!-- number: styles -->", 0.99, True),
        ("C 0.38, S3 0.05<!-- number: styles -->", 0.05, True),
        ("8<!-- number: styles within 30% -->", 10.3, True),
        ("8<!-- number: styles within 30% -->", 10.5, False),
    ],
)
def test_shown_digits_and_noise_count(text, value, agrees):
    (number,) = numbers.shown_numbers(text, "text.md")
    assert number.agrees(value) is agrees


@pytest.mark.parametrize("text", ["none<!-- number: styles -->", "3<!-- number: nonsense -->"])
def test_a_mark_without_number_or_source_is_an_error(text):
    with pytest.raises(ValueError, match=r"text\.md:2"):
        list(numbers.shown_numbers(f"\n{text}", "text.md"))


def test_the_command_marks_what_is_wrong(tmp_path, monkeypatch, capsys):
    (tmp_path / "README.md").write_text(
        "10<!-- number: styles --> styles\n\n11<!-- number: styles --> styles\n"
    )
    monkeypatch.setattr(numbers, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["numbers"])
    with pytest.raises(SystemExit) as ended:
        numbers.main()
    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines() == [
        "      README.md:1: 10, styles gives 10",
        "WRONG README.md:3: 11, styles gives 10",
    ]


def test_speed_is_read_from_the_benchmarks_table(monkeypatch):
    printed = (
        "style                        device          size  PyTorch ms  fastnst ms  ratio  peak GB     dB\n"
        "wave (float16)               cpu          512x512       614.9        73.4   8.38     0.41      -\n"
    )
    monkeypatch.setattr(
        numbers.subprocess,
        "run",
        lambda command, **_: numbers.subprocess.CompletedProcess(command, 0, printed),
    )
    assert numbers.SOURCES["speed"]("wave", "full", "512x512") == 8.38
