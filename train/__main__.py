"""Run the training command line: `python -m train --style painting.jpg`."""

from train.machine.quick_end import end_with


def _main() -> int:
    from train.cli import main

    return main()


if __name__ == "__main__":
    end_with(_main)
