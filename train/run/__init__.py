"""One training run: settle the options, train, finish; resume where one was interrupted.

In come the options; out come a checkpoint and the style's quality.
The command line alone may import it, and bench/; it imports every other room of training.
"""
