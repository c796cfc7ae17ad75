#!/usr/bin/env bash
# The second half of environment.yml, run inside of it: flash-attn is built against the torch that is there, so it cannot
# be made in an environment of its own, as pip would; and OpenRLHF asks for flash-attn.
set -euo pipefail
python -m pip install --no-build-isolation flash-attn==2.8.3
python -m pip install openrlhf==0.11.2
