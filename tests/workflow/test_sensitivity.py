"""Studies that share their bases: what is there is not made again."""

from red.study import config, jobs

CONFIGFILES = ("--configfile", "config/default.yaml", "config/sensitivity/common.yaml")


def test_a_study_takes_the_bases_of_another_and_makes_those_of_another_pretraining(stubbed):
    folder = stubbed.root / "config"
    reference = config.load(folder / "default.yaml", folder / "sensitivity" / "common.yaml")
    bases = [f"{jobs.models_folder(reference)}/{name}" for name in jobs.models(reference)]
    done = stubbed.snakemake(*bases, "--cores", "1", *CONFIGFILES)
    assert done.returncode == 0, done.stderr[-2000:]
    shared = stubbed.plan(*CONFIGFILES, "config/sensitivity/limit_short.yaml")
    assert "train red 0" in shared and not [job for job in shared if job.startswith("model ")]
    own = stubbed.plan(*CONFIGFILES, "config/sensitivity/opener_high.yaml")
    assert len([job for job in own if job.startswith("model ")]) == len(bases)
