import subprocess
import sys

import pytest

# A module's attribute whose destruction says that Python has taken the modules apart.
PROGRAM = """
import sys
from train.machine.quick_end import end_with

class Said:
    def __del__(self):
        print("taken apart", flush=True)

def command():
    import atexit, logging, tempfile
    global said, folder
    said = Said()
    folder = tempfile.TemporaryDirectory()
    print(folder.name)
    atexit.register(print, "registered")
    {last}

end_with(command)
"""


def run(last):
    program = PROGRAM.format(last=last)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", [0, 2, 130])
def test_a_process_ends_with_the_code_after_what_is_registered_and_is_not_taken_apart(code, tmp_path):
    done = run(f"print('no line break', end=''); return {code}")
    folder, _, rest = done.stdout.partition("\n")
    assert (done.returncode, rest) == (code, "no line breakregistered\n")
    assert not tmp_path.joinpath(folder).exists()


def test_an_exception_ends_as_usual():
    done = run("raise RuntimeError('as usual')")
    assert done.returncode == 1
    assert "RuntimeError: as usual" in done.stderr
    assert done.stdout.endswith("registered\ntaken apart\n")


def test_a_lost_reader_changes_nothing():
    done = run("import os; print('lost', end=''); os.close(1); return 3")
    assert done.returncode == 3
