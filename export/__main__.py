"""Run the exporter's command line: `python -m export checkpoints/kandinsky.ckpt`."""

import sys

from export.cli import main

if __name__ == "__main__":
    sys.exit(main())
