"""How often Snakemake chooses jobs."""


def test_jobs_are_chosen_when_one_has_ended_and_not_every_second(stubbed):
    """Its limit of submissions would add a timer with every job, each of which has it choose again and again."""
    names = "aime24 aime25 amc math500 minerva olympiad arc_c gpqa_diamond mmlu_pro".split()
    files = [f"results/often/data/benchmarks/{name}.jsonl" for name in names]
    overlay = stubbed.overlay("often.yaml", pathvars={"results": "results/often"})
    done = stubbed.snakemake(*files, "--cores", "1", "--verbose", "--configfile", "config/default.yaml", overlay)
    assert done.returncode == 0, done.stderr[-2000:]
    jobs = len(stubbed.calls())
    assert jobs >= len(files)
    assert done.stderr.count("Resources before job selection") <= jobs + 1
