"""The ONNX graph of a style: built from a network, then rewritten into faster, equal operators.

In comes a network; out comes an ONNX model.
All of export/ may import it; it knows nothing of checkpoints on the disk.
"""
