"""The ONNX graph of a style: built from a network, then rewritten into faster, equal operators.

It takes a network, and returns an ONNX model.
The rest of export/ may import it; it knows no checkpoints on the disk.
"""
