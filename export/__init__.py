"""The exporter: a checkpoint of training in, a style file (ONNX) out. Run it with `python -m export`."""
