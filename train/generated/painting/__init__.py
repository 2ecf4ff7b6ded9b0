"""One abstract painting, drawn with brush strokes.

It takes a seed, and writes a painting as an image file (`python -m train.generated.painting`).
The demo runs it as a command; it imports no other room of training.
"""
