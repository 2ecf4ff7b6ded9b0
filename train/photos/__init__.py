"""Training photos: where they come from, how they are cut, kept in memory and batched.

In comes what the user names as data; out come batches of crops, and the photos held out of training.
The rooms of runs, evaluation and distillation may import it; it knows nothing of networks and losses.
"""
