"""The compact loss network, distilled from VGG-19 (`python -m train.distillation`).

It takes VGG-19 and photos, and writes a file of weights for `train.loss.compact`.
Nothing imports it; it imports the rooms of losses, photos, generated photos, networks and steps.
"""
