"""One ONNX model: its graph, its metadata, its session on a processor.

It takes a style file, and returns a callable that paints uint8 pictures, and the file's metadata.
The stylizer, the command line, tiling, probe, video, train/ and export/ may import it; it knows no image
files or videos.
"""
