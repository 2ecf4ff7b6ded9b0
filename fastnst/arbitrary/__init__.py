"""Any painting, at once: a painting's statistics make a style file of one network that comes with fastnst.

Paintings go in, one or several with weights, and the bytes of an ordinary style file come out.
The stylizer, the painter, the command line and train/evaluate may import it; it knows no photos.
"""
