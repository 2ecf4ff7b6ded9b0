"""Pictures that memory does not hold as a whole, painted in tiles without seams.

In come a picture and a model; out comes the picture that the model would give for the whole.
Only the stylizer may import it; it imports the rooms of models and images.
"""
