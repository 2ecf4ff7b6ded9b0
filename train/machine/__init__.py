"""What training asks of the machine: device, precision, memory, time limits, signals, special files.

It takes options such as `auto`, and returns what this machine has, or advice if it is too small.
Every room may import it; it imports only `fastnst.errors`.
"""
