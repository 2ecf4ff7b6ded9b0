"""Pictures that the project makes itself, so that a demo and a training need no download.

In comes a seed; out come photos to train on (`photo`) and an abstract painting to train for (`painting`).
The room of photos and the demo may import it; it imports no other room.
"""
