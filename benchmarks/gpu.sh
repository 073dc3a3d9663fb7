#!/usr/bin/env bash
# What only a machine with an NVIDIA GPU can show, in one go of five to six minutes.
#
#     benchmarks/gpu.sh [PAIRS_DIR] [OUT_JSON] [MORE FLAGS OF gpu.py]
#
# PYTHON is the interpreter, python3 where unset. The package runs from src/ and is not installed.
# WHEELS is a folder of wheels of what that Python lacks: they are unpacked to a temporary folder.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
python=${PYTHON:-python3}
pairs=${1:-$root/../shared/pairs}
out=${2:-$root/docs/gpu.json}
shift "$(($# < 2 ? $# : 2))"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work PYTHONUNBUFFERED=1
export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
if [ -n "${WHEELS:-}" ]; then
    "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
        --target "$work/site" "$WHEELS"/*.whl
    PYTHONPATH="$PYTHONPATH:$work/site"
fi

if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi
for module in numpy PIL scipy skimage jinja2 portalocker rich; do
    "$python" -c "import importlib.util, sys; sys.exit(not importlib.util.find_spec('$module'))" ||
        echo "NOT INSTALLED: $module. Parts that run commands will fail"
done
"$python" -m unretouch --version

"$python" "$root/benchmarks/gpu.py" --pairs "$pairs" --json "$out" "$@"
