"""Many images and videos: find them, plan their results, and paint the images one after the other.

It takes the arguments of a command line, and returns tasks, result files and one outcome for each image.
Only the command line and `distributed` may import it; it imports the rooms of images and videos.
"""
