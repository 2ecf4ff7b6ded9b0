"""What training asks of the machine: device, precision, memory, time limits.

In come options such as `auto`; out come what this machine has, and advice where it does not suffice.
Every room may import it; it imports `fastnst.errors` alone.
"""
