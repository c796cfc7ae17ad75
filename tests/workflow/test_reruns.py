"""What a change makes again, and what it leaves alone. The commands are the stand-in's."""

from contextlib import ExitStack

import pytest

from red.study.status import STARTED

RUNS = ["red", "grpo_sft_early", "chord_phi", "chord_mu", "red_w_constant"]


@pytest.fixture(scope="module")
def finished(stubbed):
    """Everything of a few runs is made; `configfiles` select them."""
    seeded = {run: {"seeds": [0]} for run in ("chord_phi", "chord_mu")}  # which the default leaves to overlays
    overlay = stubbed.overlay("few.yaml", only=RUNS, runs=seeded)
    done = stubbed.snakemake("all", "--cores", "4", "--configfile", "minimal.yaml", overlay)
    assert done.returncode == 0, (done.stderr + done.stdout)[-2000:]
    return stubbed


@pytest.fixture
def again(finished):
    """The jobs that Snakemake would run again, without the summary target."""

    def ask(*more: str) -> list[str]:
        jobs = finished.plan("--configfile", "minimal.yaml", "few.yaml", *more)
        return [job for job in jobs if job != "all"]

    return ask


def trained(jobs: list[str]) -> list[str]:
    return [job.split()[1] for job in jobs if job.startswith("train ")]


def test_nothing_is_trained_twice(finished):
    calls = [call for call in finished.calls() if call.startswith("train ")]
    assert sorted(calls) == sorted(f"train results/minimal/runs/{run}/seed0" for run in [*RUNS, "sft"])


def test_nothing_to_do_is_known_within_8_seconds(finished, again):
    assert again() == []
    assert finished.seconds("--configfile", "minimal.yaml", "few.yaml") < 8


def test_a_method_retrains_itself_and_what_learns_from_it(finished, again):
    with finished.edited("red/methods/red.py", "high=8.0", "high=7.0"):
        jobs = again()
    assert trained(jobs) == ["red", "red_w_constant"]
    assert not [job for job in jobs if job.startswith(("prompts", "model", "benchmark"))]


def test_a_method_retrains_those_that_import_it(finished, again):
    with finished.edited("red/methods/chord_mu.py", '"expert"', '"experts"'):
        assert trained(again()) == ["chord_mu", "chord_phi"]


def test_the_objective_retrains_everything(finished, again):
    with finished.edited("red/objective/advantage.py", "\ndef ", "\nNEW = 1\n\n\ndef "):
        assert sorted(trained(again())) == sorted([*RUNS, "sft"])


def test_what_other_modules_bring_in_counts(finished, again):
    with finished.edited("red/text/thinking_words.py", '"wait"', '"waits"'):
        jobs = again()
    assert sorted(trained(jobs)) == sorted([*RUNS, "sft"])
    assert not [job for job in jobs if job.startswith(("model", "prompts", "demonstrations", "generate base"))]


def test_a_template_reaches_the_model_the_trainings_and_the_answers(finished, again):
    with finished.edited("red/text/template.py", "{question}.\\nA:", "{question}\\nA:"):
        jobs = again()
    assert {"model base_seed0", "train red 0", "generate base 0"} <= set(jobs)
    assert not [job for job in jobs if job.startswith(("prompts", "benchmark"))]


def test_the_tables_are_collected_again_and_nothing_before_them(finished, again):
    with finished.edited("red/tables/collect.py", "BATCH = 65536", "BATCH = 32768"):
        jobs = again()
    assert "collect" in jobs and "main_results" in jobs
    assert not [job for job in jobs if " " in job]


def test_what_changes_no_result_reruns_nothing(finished, again):
    edits = {
        "red/plumbing/storage.py": ("LONGEST_LINE = 64", "LONGEST_LINE = 32"),
        "red/study/status.py": ("TAIL = 65536", "TAIL = 32768"),
        "red/errors.py": ("{place}: {error", "{place} {error"),
        "red/commands/train.py": ("checkpoint to start from", "where to start"),
        "red/models/prepare.py": ("*.model", "*.models"),
    }
    with ExitStack() as stack:
        for path, (old, new) in edits.items():
            stack.enter_context(finished.edited(path, old, new))
        assert again() == []


def test_wording_retrains_nothing(finished, again):
    with finished.edited("red/methods/red.py", '"""RED:', '"""The method RED:'):
        assert again() == []


def test_a_package_more_retrains_nothing(finished, again):
    with finished.edited("workflow/environment.yml", "dependencies:", "# one more\ndependencies:"):
        assert again() == []


def test_an_item_is_rebuilt_alone(finished, again):
    with finished.edited("analysis/items/main_results.py", "def build", "NEW = 1\n\n\ndef build"):
        assert again() == ["main_results", "report"]


def test_a_label_retrains_nothing(finished, again):
    jobs = again(finished.overlay("label.yaml", runs={"red": {"label": "Ours"}}))
    assert trained(jobs) == [] and "collect" in jobs


def test_a_grader_judges_again_without_new_answers(finished, again):
    with finished.edited("red/grading/verdict.py", "\n\n\n", "\n\n\nNEW = 1\n\n\n"):
        jobs = again()
    assert "grade base 0" in jobs and "generate base 0" not in jobs
    assert sorted(trained(jobs)) == sorted([*RUNS, "sft"])


def test_a_new_run_leaves_the_others_alone(finished, again):
    run = {"like": "red", "weight": {"window": 3}}
    jobs = again(finished.overlay("new.yaml", only=[*RUNS, "red_window3"], runs={"red_window3": run}))
    assert trained(jobs) == ["red_window3"]
    assert [job for job in jobs if job.startswith("generate")] == ["generate red_window3 0"]


def test_a_new_method_is_one_file_and_one_entry(finished, again):
    source = (finished.root / "red/methods/grpo.py").read_text()
    overlay = finished.overlay("method.yaml", only=[*RUNS, "mine"], runs={"mine": {"method": "mine"}})
    with finished.added("red/methods/mine.py", source):
        assert trained(again(overlay)) == ["mine"]


def test_a_new_item_is_one_module_and_one_line(finished, again):
    source = (finished.root / "analysis/items/propositions.py").read_text()
    items = ["main_results", "entropy_phases", "training_dynamics", "propositions", "mine"]
    with finished.added("analysis/items/mine.py", source):
        assert again(finished.overlay("item.yaml", items=items)) == ["mine", "report"]


def test_a_new_benchmark_is_one_entry(finished, again):
    entry = {"source": "local", "data_dir": ".", "file": "mine.jsonl"}
    entry |= {"grader": "math", "metric": "pass_at_1", "samples": 1, "group": "math"}
    with finished.added("mine.jsonl", '{"problem": "1 + 1?", "answer": "2"}\n'):
        jobs = again(finished.overlay("benchmark.yaml", benchmarks={"mine": entry}))
    assert "benchmark mine" in jobs and trained(jobs) == []


def test_a_killed_training_continues_in_the_same_call(finished):
    overlay = finished.overlay("killed.yaml", only=[*RUNS, "dapo_new"], runs={"dapo_new": {"method": "dapo"}})
    target = "results/minimal/runs/dapo_new/seed0/metrics.jsonl"
    done = finished.snakemake(
        target, "--cores", "1", "--configfile", "minimal.yaml", "few.yaml", overlay, STUB_DIE="dapo_new"
    )
    assert done.returncode == 0, done.stderr
    assert len((finished.root / target).read_text().splitlines()) == 2
    log = finished.root / "logs/minimal/train/dapo_new/seed0.log"
    lines = [line for line in log.read_text().splitlines() if not line.startswith(STARTED)]
    assert lines == ["half 0", "half 1"], "the log of the first attempt is kept"
    assert len([call for call in finished.calls() if call.startswith("train ")]) == 2


def test_trackers_rerun_nothing(finished, again):
    assert again(finished.overlay("tracked.yaml", tracking=["tensorboard"])) == []


def test_a_page_template_and_the_statistics_rebuild_items_only(finished, again):
    with finished.edited("analysis/output/item_page.html", "74rem", "70rem"):
        jobs = again()
    assert "overview" in jobs and not [job for job in jobs if job.startswith(("train ", "collect", "grade "))]
    with finished.edited("red/statistics/intervals.py", "BLOCK = 1_000", "BLOCK = 2_000"):
        assert "overview" in again()
