"""The page that paints in the visitor's own browser, as a folder for any web server or as one HTML file.

It takes style files and example photos, and writes page/ with them and with ONNX Runtime Web.
Only the command line may import it; the page itself, in page/, is plain ES modules and knows no Python.
"""
