"""The perceptual loss: loss networks, Gram matrices, the painting as a target.

It takes a painting, stylised images and photos as tensors, and returns the terms of the loss.
All rooms that compare images may import it, export/ too; it does not know the network that is trained.
"""
