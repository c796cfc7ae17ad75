"""`--profile slurm` from the root of the checkout, with whole, broken, partial and no Slurm."""

import pytest
import yte

from tests.fixtures.programs import NO_CONTROLLER, SLURM, only, programs
from tests.workflow.conftest import Checkout, copy

# What Snakemake and its plugin start on any machine.
SYSTEM = ("sh", "bash", "which")
SINFO = "echo 'gpu*|infinite|4|64|500000|gpu:8'"
ANSWERS = {"sinfo": SINFO, "squeue": "exit 0", "sacct": "exit 0", "sbatch": "exit 0"}
GPUS = {"resources": {"train": {"gpu": 8}}, "pathvars": {"results": "results/gpus"}}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Makes a search path that has these programs of Slurm and no others."""

    def make(**lines: str) -> str:
        monkeypatch.setenv("PATH", only(tmp_path / "system", *SYSTEM))
        return programs(tmp_path / "slurm", **lines)

    return make


@pytest.fixture
def profile(repository, monkeypatch):
    """The profile as Snakemake reads it where this is the search path."""

    def read(path: str) -> dict:
        monkeypatch.setenv("PATH", path)
        return yte.process_yaml((repository / "slurm" / "profile.yaml").read_text())

    return read


CASES = {
    "no Slurm at all": ({}, "local", None),
    "a controller and accounting": (ANSWERS, "slurm", "sacct"),
    "no accounting": (ANSWERS | {"sacct": "exit 1"}, "slurm", "squeue"),
    "sacct alone": (ANSWERS | {"squeue": "exit 1"}, "slurm", "sacct"),
    "nothing submits": ({"sinfo": SINFO, "squeue": "exit 0", "sacct": "exit 1"}, "local", None),
    # Snakemake's plugin would wait for ever: it starts `sacct` to guess the account.
    "sacct is missing": ({"sinfo": SINFO, "squeue": "exit 0", "sbatch": "exit 0"}, "local", None),
    "sinfo alone": ({"sinfo": SINFO}, "local", None),
    "no program that shows jobs answers": (ANSWERS | {"squeue": "exit 1", "sacct": "exit 1"}, "local", None),
    "everything is there and no controller answers": (dict.fromkeys(SLURM, NO_CONTROLLER), "local", None),
}


@pytest.mark.parametrize("case", CASES)
def test_jobs_go_to_slurm_only_where_they_can_be_submitted_and_followed(profile, path, case):
    lines, executor, status = CASES[case]
    document = profile(path(**lines))
    assert document["executor"] == executor
    assert document.get("slurm-status-command") == status
    assert document.get("cores") == ("all" if executor == "local" else None)


@pytest.mark.parametrize("case", ["no Slurm at all", "a controller and accounting"])
def test_the_plan_is_the_same_everywhere(planned, path, case):
    configfiles = ("--configfile", "config/default.yaml", "minimal.yaml")
    done = planned.snakemake("all", "-n", "--profile", "slurm", *configfiles, PATH=path(**CASES[case][0]))
    assert done.returncode == 0, done.stderr
    assert "rule train:" in done.stdout + done.stderr


def test_jobs_are_submitted_where_slurm_answers(repository, path, tmp_path):
    checkout = Checkout(copy(repository, tmp_path / "checkout"))
    refusing = ANSWERS | {"sbatch": 'echo "sbatch: error: refused by the test" >&2; exit 1'}
    options = ("--configfile", "config/default.yaml", "minimal.yaml", "--slurm-init-seconds-before-status-checks", "1")
    wanted = "results/minimal/models/base_seed0"
    done = checkout.snakemake(wanted, "--profile", "slurm", *options, PATH=path(**refusing))
    assert done.returncode != 0
    assert "refused by the test" in done.stderr


BROKEN = {
    "everything is there and no controller answers": "no Slurm controller answers",
    "no program that shows jobs answers": "neither squeue nor sacct does",
}


@pytest.mark.parametrize("case", BROKEN)
def test_without_a_usable_slurm_a_real_run_stops_before_its_first_job(stubbed, path, case):
    configfiles = ("--configfile", "minimal.yaml", stubbed.overlay("gpus.yaml", **GPUS))
    done = stubbed.snakemake("all", "--profile", "slurm", *configfiles, PATH=path(**CASES[case][0]))
    assert done.returncode != 0
    assert not (stubbed.root / "results" / "gpus").exists()
    (message,) = [line for line in done.stderr.splitlines() if "snakemake all --cores" in line]
    assert BROKEN[case] in message
    assert "Traceback" not in done.stderr


def test_the_profile_takes_the_paper_by_default(profile, path):
    assert profile(path())["configfile"] == "config/paper.yaml"


@pytest.mark.parametrize("key", ["config", "software-deployment-method"])
def test_the_profile_leaves_these_to_the_command_line(profile, path, key):
    assert key not in profile(path())
