"""Training photos: where they come from, how they are decoded, cropped, kept in memory and batched.

In comes what the user names as data; out come batches of crops, and the photos held out of training.
The rooms from evaluation up and export's calibration may import it; it imports neither networks nor losses.
"""
