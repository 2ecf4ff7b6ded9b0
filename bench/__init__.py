"""Measurements of speed that anyone can run again: ratios of two ways in one run, on one machine."""
