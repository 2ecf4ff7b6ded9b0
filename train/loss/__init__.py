"""The perceptual loss: loss networks, Gram matrices, the painting as a target.

In come a painting, stylised images and photos as tensors; out come the terms of the loss.
All rooms that compare images may import it, export/ too; it knows nothing of the network that is trained.
"""
