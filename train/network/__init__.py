"""The networks that are trained, their layers, and the checkpoint on the disk.

It takes photos as tensors or a checkpoint file, and returns stylised photos, weights or the run's record.
Every room above may import it, export/ too; it knows no losses and no photos on the disk.
"""
