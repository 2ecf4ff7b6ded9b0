"""The network that is trained, its layers, and its checkpoint on the disk.

In come photos as tensors or a checkpoint file; out come stylised photos or weights.
Every room from the training step up may import it, export too; it knows nothing of losses or of photos
on the disk.
"""
