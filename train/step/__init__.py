"""One training step: the LightningModule, its optimizer and its teacher.

It takes batches of photos, and updates the weights and returns the terms of the loss.
The rooms of reports, runs and distillation and bench/ may import it; it writes no files.
"""
