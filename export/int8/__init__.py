"""Style files with int8 weights and activations.

In comes a checkpoint or a float style file; out comes a style file for CPUs with int8 instructions.
Only the command line of export/ imports it; it imports the rest of export/ and photos to calibrate on.
"""
