"""Style transfer without a network: the pixels themselves are optimised (Gatys et al. 2016).

It takes a painting and a photo, and writes the painted photo (`python -m train.optimize`), a slow reference.
The room of evaluation may import it; it imports the room of losses.
"""
