"""The compact loss network, distilled from VGG-19 (`python -m train.distillation`).

In come VGG-19 and photos; out comes a file of weights for `train.loss.compact`.
Only bench/ imports it; it imports the rooms of losses, photos, generated photos and networks.
"""
