"""Photos without end, painted by a cluster with Ray Data.

It takes a folder or the address of one, or a data set with a column of encoded images; it returns a Ray data
set with one row for each image, and results with the bytes of `fastnst stylize`. Only programs import it; it
imports `Painter` and what finds and plans files. Ray comes with `pip install "fastnst[ray]"`.
"""

from fastnst.distributed.photo_painter import ColumnPainter, FilePainter
from fastnst.distributed.ray_data import import_ray, paint_column, paint_files, paint_parquet

__all__ = ["ColumnPainter", "FilePainter", "import_ray", "paint_column", "paint_files", "paint_parquet"]
