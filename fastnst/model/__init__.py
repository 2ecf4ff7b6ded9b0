"""One ONNX model: its graph, its metadata, its session on a processor.

In comes a style file; out comes a callable that paints uint8 pictures, and what the file says of itself.
The stylizer, the command line and tiling may import it; it knows nothing of files to paint or of videos.
"""
