"""One abstract painting, drawn with brush strokes.

In comes a seed; out comes a painting as an image file (`python -m train.generated.painting`).
The demo runs it as a command; it imports no other room.
"""
