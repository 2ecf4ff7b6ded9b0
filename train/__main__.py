"""Run the training command line: `python -m train --style painting.jpg`."""

import sys

from train.cli import main

if __name__ == "__main__":
    sys.exit(main())
