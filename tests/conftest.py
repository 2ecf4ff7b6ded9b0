"""What every test runs under."""

import os

# Read by OpenMP when PyTorch is first imported, here and in the processes that tests start. The tensors of
# tests are too small to gain from threads, which on a busy machine wait for each other for long.
os.environ.setdefault("OMP_NUM_THREADS", "1")
