"""All of fastnst in some minutes, with nothing to download (`python -m export.demo`).

It takes a seed, and writes a folder with a painting, a style, painted photos and a page that shows them.
Nothing imports it; it runs the commands that users run.
"""
