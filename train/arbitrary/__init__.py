"""One network for any painting: its statistics go in beside the photo, and no training is needed.

It takes photos and paintings without end, and trains `AnyPaintingNet` to paint by a painting's statistics.
`python -m train.arbitrary` runs it; `export` reads what it leaves.
"""
