"""Training photos: their sources, how they are cropped, kept in memory and batched.

It takes what the user names as data, and returns batches of crops and the photos held out of training.
The rooms from evaluation up and export's calibration may import it; it imports neither networks nor losses.
"""
