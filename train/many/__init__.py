"""Many styles at once: one training per GPU or group of cores, and one table and one sheet of all.

It takes paintings and the options of a training, and starts `python -m train` and `python -m export` as
processes, here or on a cluster of Ray. Nothing imports it; it imports a training's command line and report,
but not the training itself.
"""
