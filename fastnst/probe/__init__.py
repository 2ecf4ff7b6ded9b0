"""What a model from elsewhere does not declare, found by running it on small pictures.

It takes a session and what the user says of the model, and returns a callable that paints uint8 pictures.
Only the stylizer may import it; it imports the room of models.
"""
