"""Training from the page: a painting and a name come in by HTTP, and a new style goes out among the others.

A process of its own runs `python -m train` and `python -m export`; everything about a training is in files.
Only `application.py` and the command line may import it; like all of fastnst, it never imports train.
"""
