#!/usr/bin/env bash
# The preset `default` on a GPU, in one call: crops per second, memory, where a step's time goes, then a whole
# training with its seconds, C and S3, the export, and the time of a picture. Everything is kept in OUT/gpu.txt.
set -euo pipefail

usage='bench/gpu.sh PAINTING PHOTOS OUT [options of train], such as
  bench/gpu.sh kandinsky.jpg train2017/ results/ --loss-network vgg19 --loss-network-weights vgg19.safetensors
CROPS=8000 trains on fewer than 160,000 crops; PYTHON names the interpreter (.venv/bin/python); DEVICE=cpu tries
the script where there is no GPU.'
fail() { echo "bench/gpu.sh: error: $*" >&2; exit 2; }

test "${1:-}" != --help || { echo "$usage"; exit; }
test $# -ge 3 || fail 'give the painting, a folder of photos and a folder for the results; --help shows an example'
painting=$1 photos=$2 out=$3
shift 3
test -f "$painting" || fail "there is no painting $painting"
test -d "$photos" || fail "there is no folder $photos"
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python} crops=${CROPS:-160000} device=${DEVICE:-cuda}
command -v "$python" >/dev/null || fail "there is no $python: make install RUNTIME=gpu, or name another by PYTHON"
case $device in
cuda) "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
	fail 'PyTorch sees no GPU; DEVICE=cpu tries the script without one' ;;
cpu) ;;
*) fail "DEVICE must be cuda or cpu, not $device" ;;
esac
# The packages of the checkout, wherever it is called from: paths stay relative to there.
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
batch=16 rounds=5
if test "$device" = cpu; then
	batch=1 rounds=1
	export CUDA_VISIBLE_DEVICES=
fi
mkdir -p -- "$out"

# A training that was interrupted goes on: its checkpoint stays in OUT.
measure() {
	echo "--- the machine"
	"$python" -c 'import platform, torch; print("PyTorch", torch.__version__, "Python", platform.python_version())'
	if test "$device" = cuda; then
		nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
	fi
	echo "--- steps of $batch crops of 256 px, beside the plain loop"
	"$python" -m bench.train --data "$photos" --batch-size "$batch" --rounds "$rounds"
	echo "--- where a step's time goes"
	"$python" -m bench.train --data "$photos" --batch-size "$batch" --profile
	echo "--- a training of $crops crops by the preset default"
	"$python" -m train --preset default --style "$painting" --data "$photos" --output "$out" --images "$crops" \
		--accelerator "$device" --logger csv "$@"
	echo "--- its export"
	checkpoint=$(ls -t "$out"/*.ckpt | head -n 1)
	"$python" -m export "$checkpoint"
	echo "--- a picture by ONNX Runtime, beside eager PyTorch"
	"$python" -m bench.stylize --model "${checkpoint%.ckpt}.onnx" --size 512x512 1920x1080 \
		--rounds "$rounds"
}
measure "$@" 2>&1 | tee -- "$out/gpu.txt"
