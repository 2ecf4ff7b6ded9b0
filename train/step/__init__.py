"""One training step: the LightningModule, its optimizer and its teacher.

In come batches of photos; out come updated weights and the terms of the loss.
The rooms of reports and runs may import it; it knows nothing of the disk.
"""
