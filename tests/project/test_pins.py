"""The project's own files agree with each other."""

import json
import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml


def pins(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def test_environment_file_and_its_second_half_have_the_pins_of_the_project_and_its_gpu_extra(repository):
    project = pins(repository)
    environment = yaml.safe_load((repository / "workflow" / "environment.yml").read_text())
    listed = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    script = (repository / "workflow" / "environment.post-deploy.sh").read_text()
    assert sorted(listed + re.findall(r"[\w-]+==\S+", script)) == sorted(
        project["dependencies"] + project["optional-dependencies"]["gpu"]
    )


def test_the_environment_file_stands_at_the_top_too(repository):
    """For people; Snakemake and `red init` want it inside of the workflow."""
    assert (repository / "environment.yml").read_text() == (repository / "workflow" / "environment.yml").read_text()


def test_flash_attention_is_built_after_torch_without_isolation_and_before_openrlhf_asks_for_it(repository):
    script = (repository / "workflow" / "environment.post-deploy.sh").read_text()
    makefile = (repository / "Makefile").read_text().partition("\nsetup-gpu:")[2].partition("\n\n")[0]
    assert script.index("--no-build-isolation flash-attn==") < script.index("openrlhf==")
    assert makefile.index("$(TORCH)") < makefile.index("--no-build-isolation $(FLASH)") < makefile.index('".[gpu]"')


def test_every_dependency_is_pinned_exactly(repository):
    project = pins(repository)
    extras = [pin for extra in project["optional-dependencies"].values() for pin in extra]
    assert [pin for pin in project["dependencies"] + extras if "==" not in pin] == []


def test_the_resolved_engine_list_holds_the_pins_it_was_resolved_from(repository):
    project = pins(repository)
    lines = (repository / "requirements" / "engines-cpu.txt").read_text().lower().splitlines()
    resolved = {line.replace("_", "-") for line in lines}
    wanted = project["dependencies"] + project["optional-dependencies"]["cpu"]
    expected = {pin.lower().replace("_", "-") for pin in wanted if not pin.startswith("torch==")}
    assert expected - resolved == set()
    assert not any(line.startswith(("torch==", "-e ")) or "://" in line for line in resolved)


def normalized(line):
    return line.partition("[")[0].partition("==")[0].strip().lower().replace("_", "-") + "==" + line.partition("==")[2]


def test_the_resolved_gpu_list_holds_the_pins_it_was_resolved_from(repository):
    project = pins(repository)
    lines = (repository / "requirements" / "gpu.txt").read_text().splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    wanted = {normalized(pin) for pin in project["dependencies"] + project["optional-dependencies"]["gpu"]}
    assert {pin for pin in wanted if not pin.startswith("flash-attn==")} <= set(listed)
    assert [line for line in listed if not re.fullmatch(r"[a-z0-9.-]+==[\w.!]+", line)] == []


@pytest.mark.index
@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="pins of linux-x86_64")
def test_the_pins_of_the_gpu_extra_resolve_together(repository, tmp_path):
    """Everything but flash-attn, whose own requirements (torch, einops) are among the rest. Nothing is installed."""
    project = pins(repository)
    wanted = project["dependencies"] + project["optional-dependencies"]["gpu"]
    if resolve(["PyYAML==6.0.4"], tmp_path, "--no-deps").returncode != 0:
        pytest.skip("no package index answers")
    # OpenRLHF asks for flash-attn, which pip cannot read without building it: its other wishes stand in its place.
    try:
        done = resolve([pin for pin in wanted if not pin.startswith(("flash-attn==", "openrlhf=="))], tmp_path)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index is too slow")
    assert done.returncode == 0, done.stderr[-2000:]
    names = {item["metadata"]["name"].lower().replace("_", "-") for item in json.loads(done.stdout)["install"]}
    assert {"vllm", "deepspeed", "ray", "torch"} <= names
    lines = (repository / "requirements" / "gpu.txt").read_text().splitlines()
    listed = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    ours = {name for name in names if not name.startswith(("nvidia-", "cuda-", "triton"))}
    assert ours <= listed, "torch brings CUDA libraries of its own; everything else is in the list"


def resolve(wanted, folder, *options):
    """`pip install` that only plans, with the project's list."""
    (folder / "wanted.txt").write_text("\n".join(wanted))
    constraint = Path(__file__).parents[2] / "requirements" / "gpu.txt"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--constraint", str(constraint), "--requirement", str(folder / "wanted.txt"), *options]
    environment = {**os.environ, "DS_BUILD_OPS": "0"}
    return subprocess.run(command, capture_output=True, text=True, timeout=1200, env=environment)
