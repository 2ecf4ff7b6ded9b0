"""Many images: find them, plan their results, paint them one after the other.

In come the arguments of a command line; out come result files and one outcome for each image.
Only the command line may import it; it imports the room of images.
"""
