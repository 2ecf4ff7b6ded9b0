"""One training run: settle the options, train, finish; continue after an interruption.

It takes the options, and writes a checkpoint and returns the style's quality.
Only the command line may import it; it imports the rooms below it.
"""
