"""Found through PYTHONPATH by every process that a test of the OpenRLHF engine starts."""

import os
import sys
from pathlib import Path

if os.environ.get("RED_CPU_SHIM") in ("bfloat16", "float32"):
    sys.path.append(str(Path(__file__).parent.parent))
    import cpu_shim

    cpu_shim.install()
