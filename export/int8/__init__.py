"""Style files with int8 weights and activations.

In comes a float style file; out comes one for CPUs with int8 instructions.
The command line of export may import it; it imports the room of graphs.
"""
