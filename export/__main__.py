"""Run the exporter's command line: `python -m export checkpoints/kandinsky.ckpt`."""

from train.machine.quick_end import end_with


def _main() -> int:
    from export.cli import main

    return main()


if __name__ == "__main__":
    end_with(_main)
