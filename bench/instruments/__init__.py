"""What the benchmarks share: paired timing, memory use, a plain training loop, a flicker meter.

They take functions, process ids and video frames, and return times, bytes and flicker.
Only bench/ and its tests may import this package.
"""
