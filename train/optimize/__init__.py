"""Style transfer without a network: the pixels themselves are optimised (Gatys et al. 2016).

In come a painting and a photo; out comes a painted photo (`python -m train.optimize`), the best that a
network could do.
The room of evaluation may import it; it imports the rooms of losses and photos.
"""
