"""`--profile slurm` from the root of the checkout, where no controller answers."""

import pytest
import yaml


def test_the_profile_is_found_and_plans_everywhere(planned):
    configfiles = ("--configfile", "config/default.yaml", "minimal.yaml")
    done = planned.snakemake("all", "-n", "--profile", "slurm", *configfiles)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout + done.stderr


def test_the_profile_takes_the_paper_by_default(repository):
    text = (repository / "slurm" / "profile.yaml").read_text()
    document = yaml.safe_load(text.replace("?if on_cluster", "if_cluster").replace("?else", "otherwise"))
    assert document["configfile"] == "config/paper.yaml"


def test_without_a_controller_a_real_run_stops_before_its_first_job(stubbed):
    needs = {"resources": {"train": {"gpu": 8}}, "pathvars": {"results": "results/gpus"}}
    configfiles = ("--configfile", "minimal.yaml", stubbed.overlay("gpus.yaml", **needs))
    done = stubbed.snakemake("all", "--profile", "slurm", *configfiles)
    assert done.returncode != 0
    assert not (stubbed.root / "results" / "gpus").exists()
    message = [line for line in done.stderr.splitlines() if "snakemake all --cores" in line]
    assert len(message) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["config", "software-deployment-method"])
def test_the_profile_leaves_these_to_the_command_line(repository, key):
    assert f"\n{key}:" not in (repository / "slurm" / "profile.yaml").read_text()
