"""The perceptual loss: loss networks, Gram matrices, the painting as a target.

In come a painting, stylised images and photos as tensors; out come the terms of the loss.
The rooms of steps, evaluation, optimisation and distillation may import it; it knows nothing of the network
that is trained.
"""
