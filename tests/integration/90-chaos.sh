#!/bin/bash
# test: limit=1200
# tests/integration/90-chaos.sh: three minutes of `make chaos` with a seed of its own; see tests/chaos/run.
cd "$(dirname "$0")/../.." || exit 1
SEED=${SEED:-20260509} MINUTES=${MINUTES:-3} exec bash tests/chaos/run
