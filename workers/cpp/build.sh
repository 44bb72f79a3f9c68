#!/bin/sh
# Builds the worker: build.sh [release|asan|tsan]. The executable is build/<preset>/taskflow-worker.
set -eu
cd "$(dirname "$0")"
preset=${1:-release}
mkdir -p build
# Several tests may ask for the same build at once.
if [ -z "${TASKFLOW_BUILD_LOCKED:-}" ] && command -v flock >/dev/null; then
  TASKFLOW_BUILD_LOCKED=1 exec flock "build/$preset.lock" ./build.sh "$preset"
fi
cmake --preset "$preset"
cmake --build --preset "$preset"
