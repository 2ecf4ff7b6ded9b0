"""Style files with int8 weights and activations.

It takes a checkpoint or a float style file, and writes a style file for CPUs with int8 instructions.
Only export's command line may import it; it imports the rest of export/ and photos to calibrate on.
"""
