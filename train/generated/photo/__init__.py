"""Scenes of overlapping shapes with the statistics of photos.

It takes a seed, an index and a size, and returns a uint8 RGB image.
The rooms of photos and distillation and bench/ may import it; it imports only `fastnst.image`.
"""
