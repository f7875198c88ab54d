#!/usr/bin/env bash
# The first minutes on a GPU: one command of about nine minutes. docs/gpu.md says what it measures.
#
#   benchmarks/first_gpu.sh [--wheels DIR] [--out DIR] [--data-dir DIR] [--seconds 540] [--only STEP] [--device cpu --short]
#
# --wheels DIR: for a machine without a network, the folder of the packages that its Python lacks; they are unpacked into
# a temporary folder and nothing is installed. $PYTHON: the Python that has torch; else .venv/bin/python, else python3.
# The other options are those of `python -m benchmarks.first_gpu`. Results: a JSON file for each step, written after each
# of its parts, and summary.md, in the folder --out (first_gpu).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ -x "$root/.venv/bin/python" ] && PYTHON=$root/.venv/bin/python
fi
export OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0 PYTHONUNBUFFERED=1 PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

options=()
wheels=""
while [ $# -gt 0 ]; do
  case $1 in
    --wheels) wheels=${2:?--wheels needs a folder}; shift 2 ;;
    --wheels=*) wheels=${1#*=}; shift ;;
    *) options+=("$1"); shift ;;
  esac
done

if [ -n "$wheels" ]; then
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  for wheel in "$wheels"/*.whl; do "$PYTHON" -m zipfile -e "$wheel" "$unpacked"; done
  # Behind the project, before the Python's own packages.
  PYTHONPATH=$PYTHONPATH:$unpacked
fi
"$PYTHON" -m benchmarks.first_gpu ${options[@]+"${options[@]}"}
