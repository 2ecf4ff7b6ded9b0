"""Reporting on a run: progress lines, metrics, the preview, the dashboard.

In comes the state of a run; out come lines, log entries and pictures.
The room of runs may import it; the training itself does not depend on it.
"""
