"""Scenes of occluding shapes with the statistics of photos.

In come a seed, an index and a size; out comes a uint8 RGB image.
The room of photos may import it; it imports no other room.
"""
