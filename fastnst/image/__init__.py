"""One picture: read it, mask it, mix it, resize it, write it.

It takes image files and uint8 RGB arrays, and returns arrays and the bytes of image files. It runs no model.
Every room above may import it, train/ too; of fastnst it imports only what every room may use.
"""
