"""All of fastnst in some minutes, without a download (`python -m export.demo`).

In comes a seed; out comes a folder with a painting, a style, painted photos and a page that shows them.
Nobody imports it; it runs the commands that users run.
"""
