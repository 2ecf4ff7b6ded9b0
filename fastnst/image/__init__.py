"""One picture: read it, mask it, mix it, scale it, write it.

In come files and uint8 RGB arrays; out come arrays and the bytes of files. No style model is run here.
The painter, the command line and the rooms of files and video may import it; of fastnst, it imports
`fastnst.errors` alone.
"""
