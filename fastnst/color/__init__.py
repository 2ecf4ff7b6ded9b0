"""Colours: spaces and profiles, what files say of them, and Oklab.

It takes arrays of colours and the bytes of profiles and tags, and returns sRGB, or Oklab.
The rooms of images and videos and train/ may import it; it opens no files.
"""
