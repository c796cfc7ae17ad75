"""The rule `collect` with hundreds of runs, whose files are all there."""

import json

RUNS, LONGEST_ARGUMENT = 300, 131_072
BENCHMARKS = "aime24 aime25 amc math500 minerva olympiad arc_c gpqa_diamond mmlu_pro"


def test_three_hundred_runs_are_collected(stubbed):
    names = [f"red_{number}" for number in range(RUNS)]
    runs = {name: {"like": "red", "weight": {"low": index / 1000}} for index, name in enumerate(names)}
    overlay = stubbed.overlay("many.yaml", runs=runs, only=names, pathvars={"results": "results/many"})
    results = stubbed.root / "results" / "many"
    probe = results / "probes" / "base" / "seed0" / "confidence.parquet"
    probe.parent.mkdir(parents=True)
    probe.write_text("made before")
    problems = results / "data" / "benchmarks"
    problems.mkdir(parents=True)
    for benchmark in BENCHMARKS.split():
        (problems / f"{benchmark}.jsonl").write_text("{}\n")
    for name in ("base", *names):
        evaluation, training = (results / kind / name / "seed0" for kind in ("evaluations", "runs"))
        evaluation.mkdir(parents=True)
        training.mkdir(parents=True)
        (training / "metrics.jsonl").write_text("{}\n")
        for benchmark in BENCHMARKS.split():
            (evaluation / f"{benchmark}.grades.jsonl").write_text("{}\n")
    made = ("collected_spec", "collect")
    target = "results/many/collected/runs.json"
    configfiles = ("--configfile", "config/default.yaml", "minimal.yaml", overlay)
    done = stubbed.snakemake(target, "--cores", "1", "--allowed-rules", *made, *configfiles)
    assert done.returncode == 0, done.stderr[-2000:]
    spec = results / "collected" / "spec.json"
    assert spec.stat().st_size > LONGEST_ARGUMENT
    assert {run["run"] for run in json.loads(spec.read_text())["runs"]} == {"base", *names}
    assert stubbed.calls() == ["collect results/many/collected"]
