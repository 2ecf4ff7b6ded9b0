"""Pictures that the project makes itself, so that a demo and a training need no download.

It takes a seed, and returns photos to train on (`photo`) or an abstract painting to train for (`painting`).
The rooms of photos and distillation, the demo and bench/ may import it.
"""
