"""Videos and webcams: decode, paint each frame, hold strokes steady, encode.

It takes a video and a function that paints a frame, and writes a video with the same times and sound.
The painter, the stylizer, files and the command line may import it; it imports PyAV and OpenCV on first use.
"""
