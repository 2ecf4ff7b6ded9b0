"""Reporting on a run: progress lines, metrics, the preview, the dashboard.

It takes the state of a run, and writes lines, log entries and pictures.
The room of runs and export's command line may import it; the training step does not depend on it.
"""
