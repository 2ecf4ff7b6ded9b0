"""Style transfer without a network: the pixels themselves are optimised (Gatys et al. 2016).

In come a painting and a photo; out comes the painted photo (`python -m train.optimize`), a slow reference for
trained styles.
The room of evaluation may import it; it imports the room of losses.
"""
