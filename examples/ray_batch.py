"""Paint photos without end on a cluster of Ray: a folder, a bucket, or a column of parquet files.

python ray_batch.py -m wave photos/ -o painted/ --actors 8
python ray_batch.py -m wave s3://bucket/photos -o s3://bucket/painted --actors 64
python ray_batch.py -m wave s3://bucket/photos.parquet -o s3://bucket/painted --image-column jpg --key id

The same command continues after an interruption. pip install "fastnst[cpu,ray]" on every machine.
"""

import argparse
import sys
import time
from collections import Counter

from fastnst import FastnstError
from fastnst.distributed import import_ray, paint_files, paint_parquet

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("source", help="a folder that every machine finds, an address, or parquet files")
parser.add_argument("-o", "--output", required=True, help="the folder for results, or its address")
parser.add_argument("-m", "--model", required=True, help="a style's name, an ONNX file, or a painting")
parser.add_argument("--strength", type=float, default=1.0, help="0 is the photo, 1 the painting")
parser.add_argument("--size", type=int, help="longer side to paint at")
parser.add_argument("--format", help="jpg, png, webp, tiff, bmp or avif; by default, as the image")
parser.add_argument("--quality", type=int, default=95, help="of JPEG, WebP and AVIF")
parser.add_argument("--actors", type=int, default=1, help="how many paint at the same time")
parser.add_argument("--cpus", type=float, default=1, help="cores for each of them")
parser.add_argument("--gpus", type=float, default=0, help="GPUs for each of them; 0.5 lets two share one")
parser.add_argument("--image-column", help="the source is parquet, with encoded images in this column")
parser.add_argument("--key", help="the column that identifies a row of the parquet files")
parser.add_argument("--address", help="of the cluster; by default, RAY_ADDRESS, or this machine alone")
options = parser.parse_args()
if (options.image_column is None) != (options.key is None):
    parser.error("--image-column and --key belong together")

try:
    import_ray().init(address=options.address, log_to_driver=False)
    painting = {
        "suffix": options.format and f".{options.format}",
        "quality": options.quality,
        "strength": options.strength,
        "size": options.size,
        "actors": options.actors,
        "cpus": options.cpus,
        "gpus": options.gpus,
    }
    place = options.source, options.output, options.model
    if options.key is not None:
        paint_parquet(*place, key=options.key, column=options.image_column, **painting)
        sys.exit()
    start, counts = time.monotonic(), Counter()
    for row in paint_files(*place, **painting).iter_rows():
        counts[row["status"]] += 1
        if row["error"] is not None:
            print(row["error"], file=sys.stderr)
        else:
            print(row["result"])
except FastnstError as error:
    sys.exit(f"error: {error}")
seconds = time.monotonic() - start
print(
    f"{counts['painted']} painted, {counts['skipped']} skipped, {counts['failed']} failed in {seconds:.1f} s",
    file=sys.stderr,
)
sys.exit(2 if counts["failed"] else 0)
