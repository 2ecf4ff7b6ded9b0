"""Pictures that do not fit into memory, painted in tiles without seams.

It takes a picture and a model, and returns the picture that the model would give for the whole.
Only the stylizer may import it; it imports the room of models.
"""
