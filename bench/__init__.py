"""Speed and quality benchmarks. Each compares two variants in one run, on one machine."""
