"""The training pipeline: one painting and many photos in, a checkpoint out. Run it with `python -m train`."""
