"""What the measurements share: pairs of runs, memory, a plain training loop, a meter of flicker.

In come functions and commands; out come times, ratios and bytes.
Only bench/ may import it.
"""
