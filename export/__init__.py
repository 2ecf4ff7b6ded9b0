"""The exporter, `python -m export`: from a checkpoint of training to a style file (ONNX)."""
