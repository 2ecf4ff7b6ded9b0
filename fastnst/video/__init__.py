"""Videos and webcams: decode, paint each frame, hold strokes still, encode.

In come a video and a function that paints a frame; out comes a video with the same times and sound.
The painter and the command line may import it; PyAV and OpenCV are imported when they are first needed.
"""
