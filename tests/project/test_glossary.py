"""docs/glossary.md holds every metric and every configuration key, and its words are the only ones in use."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace

import pytest
import yaml

from red import engines, methods
from red.data import sources
from red.data.wrong_responses import WrongResponsesSpec
from red.evaluation.catalog import Benchmark, Hub
from red.evaluation.spec import EvaluationSettings
from red.methods.base import Mix, Reward
from red.models.prepare import PreparedModel
from red.objective import spec as objective
from red.plumbing.records import to_mapping
from red.plumbing.storage import read_jsonl
from red.study import resources, runs
from red.study.config import SCHEMA
from red.training.spec import Cluster, RunSpec, Training
from red.world.spec import EmbeddedModel, World
from tests.fixtures.runs import SETTINGS, UPDATES

PAGE = "docs/glossary.md"
ENGINE_ONLY = "engine only"
SAID = re.compile(r"`([^`]+)`")


def tables(text):
    """Cells of each table, without its head, under the heading that it follows."""
    found, heading = {}, ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("|"):
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
    return {heading: rows[2:] for heading, rows in found.items()}


@pytest.fixture(scope="module")
def glossary(repository):
    return tables((repository / PAGE).read_text(encoding="utf-8"))


# --- metrics -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged(tiny_world, tmp_path_factory):
    """Names in metrics.jsonl of two steps of every method; a bin's number is `<bin>`."""
    training = Training("local", 2, 2, 4, 24, 2e-3, cosine_every=1, entropy_every=1)
    settings = SETTINGS | {"relift": {"second_step": {"buffer": 1}}}
    names = set()
    for name in methods.names():
        out = tmp_path_factory.mktemp(name)
        files = engines.RunFiles(
            tiny_world / "models" / "base",
            tiny_world / "prompts.jsonl",
            tiny_world / "demonstrations" / "wrong_traces.jsonl",
            out,
            teacher=tiny_world / "models" / "teacher",
        )
        its = replace(training, updates_per_rollout=UPDATES.get(name, 1))
        run = RunSpec("test", 3, "tiny", name, its, "plain", overrides=settings.get(name, {}))
        engines.train(run, files, lambda *_: None)
        rows = list(read_jsonl(out / "metrics.jsonl"))
        assert len(rows) == 2
        names |= {re.sub(r"/\d+$", "/<bin>", metric) for row in rows for metric in row}
    return names


def test_every_logged_metric_has_an_entry(logged, glossary):
    missing = sorted(logged - {name.strip("`") for name, *_ in glossary["Metrics"]})
    assert not missing, f"{PAGE}, Metrics: add `| name | unit | logged | meaning |` for {', '.join(missing)}"


def test_every_entry_is_a_metric_that_some_method_logs(logged, glossary):
    """All of them, except what only the other engine can measure."""
    entries = {name.strip("`"): when for name, _, when, _ in glossary["Metrics"]}
    apart = {name for name, when in entries.items() if when.endswith(ENGINE_ONLY)}
    assert apart == {"rollout/kl", "time/sync_s"}
    gone = sorted(entries.keys() - apart - logged)
    assert not gone, f"{PAGE}, Metrics: nothing logs {', '.join(gone)}; drop the row"


def test_every_page_calls_metrics_by_names_that_they_have(repository, glossary):
    """The words that are not to be used stand in a column of the glossary's own."""
    known = {name.strip("`") for name, *_ in glossary["Metrics"]}
    groups = "|".join({name.partition("/")[0] for name in known})
    pages = [repository / "README.md", *(repository / "docs").glob("*.md")]
    said = {
        (path.name, name)
        for path in pages
        if path.name != "glossary.md"
        for name in re.findall(rf"`((?:{groups})/[\w*<>/]+)`", path.read_text(encoding="utf-8"))
    }
    assert len(said) > 10
    assert {(page, name) for page, name in said if name not in known and not (repository / name).exists()} == set()


def test_metrics_of_one_engine_only_are_in_its_code(repository, glossary):
    code = "".join(path.read_text() for path in (repository / "red" / "engines" / "openrlhf").glob("*.py"))
    for name, _, when, _ in glossary["Metrics"]:
        assert not when.endswith(ENGINE_ONLY) or f'"{name.strip("`")}"' in code


def test_every_metric_has_unit_time_and_meaning(glossary):
    assert [row for row in glossary["Metrics"] if len(row) != 4 or not all(row)] == []


# --- configuration -------------------------------------------------------------------------------

REQUIRED = "–"
DEFAULTS = {
    "`data.prompts`": tuple(sources.source(name, "").PromptsSpec for name in sources.names()),
    "`common`": (Training,),
    "`cluster`": (Cluster,),
    "`evaluation`": (EvaluationSettings,),
    "`benchmarks`": (Benchmark,),
    "`resources`": (resources.Request,),
    "`hardware`": (resources.Hardware,),
    "`shape`": (resources.Shape,),
    "`lengths`": (resources.Lengths,),
    "`behaviour`": (resources.Behaviour,),
    "`model`, `large_model` and `teacher_model`": (EmbeddedModel, PreparedModel),
    "`world`": (World,),
}
# Given by the name of the entry or by a section of its own, and what the schema asks for although the dataclass
# has a default.
ENTRY = {"`benchmarks`": {"name"}, "`data.prompts`": {"world"}, "`model`, `large_model` and `teacher_model`": {"world"}}
ASKED = {
    "`benchmarks`": {"source", "group", "grader", "metric", "samples"},
    "`data.prompts`": {"source"},
    "`model`, `large_model` and `teacher_model`": {"source"},
}
# Keys of the page that no dataclass has, because they are read before one is made.
BESIDE = {"`runs`": {"like", "seeds", "cluster"}, "`data.demonstrations`": {"source"}}


def defaults(kind, path=""):
    """{key: its default as YAML has it, or REQUIRED}."""
    found = {}
    for field in fields(kind):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        value = to_mapping(default)
        found[path + field.name] = REQUIRED if default is MISSING else value
    return found


@pytest.fixture(scope="module")
def expected():
    """{section: {key: default}} as the code has it."""
    found = {}
    for section, kinds in DEFAULTS.items():
        # A key of two sources has the default of the first.
        merged = {key: value for kind in reversed(kinds) for key, value in defaults(kind).items()}
        asked = dict.fromkeys(ASKED.get(section, ()), REQUIRED)
        found[section] = {key: merged[key] for key in merged.keys() - ENTRY.get(section, set())} | asked
    found["`benchmarks`"] |= defaults(Hub, "hub.")
    corrupted, of_run = defaults(WrongResponsesSpec), defaults(RunSpec)
    found["`data.demonstrations`"] = {key: corrupted[key] for key in ("seed", "samples")}
    found["`runs`"] = {key: of_run[key] for key in runs.RUN_KEYS - {"cluster"}}
    return found


@pytest.mark.parametrize("section", [*DEFAULTS, *BESIDE])
def test_keys_and_defaults_are_those_of_the_code(section, expected, glossary):
    written = {key.strip("`"): default.strip("`") for key, default, _ in glossary[section]}
    missing = sorted(expected[section].keys() - written.keys())
    assert not missing, f"{PAGE}, {section}: add `| key | default | what |` for {', '.join(missing)}"
    assert written.keys() - expected[section].keys() == BESIDE.get(section, set())
    for key, default in expected[section].items():
        assert yaml.safe_load(written[key]) == default, f"{PAGE}, {section}: {key}"


def settings(record, path=""):
    """Dotted names of the fields of a method's parts."""
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            yield from settings(value, f"{path}{field.name}.")
        else:
            yield path + field.name


def test_settings_of_a_method_are_those_of_the_dataclasses(glossary):
    """Those of the objective with every part switched on, and those that a method's own mix or second step adds."""
    whole = objective.ObjectiveSpec(mixture=objective.Mixture())
    known = {*settings(whole), *settings(Mix(), "mix."), *settings(Reward(), "reward.")}
    for name in methods.names():
        method = methods.method(name)
        known |= {*settings(method.mix, "mix.")}
        for part in ("second_step", "mixture_control", "teacher"):
            known |= {*settings(value, f"{part}.")} if (value := getattr(method, part)) else set()
    assert {key.partition(".")[0] for key in known} == runs.METHOD_KEYS
    rows = {key.strip("`") for key, _ in glossary["Settings of a method"]}
    missing = sorted(known - rows)
    assert not missing, f"{PAGE}, Settings of a method: add `| key | what |` for {', '.join(missing)}"
    assert sorted(rows - known) == []


def test_sections_are_those_of_the_schema(glossary):
    schema = yaml.safe_load(SCHEMA.read_text())
    rows = {key.strip("`"): default for key, default, _ in glossary["Sections"]}
    missing = sorted(schema["properties"].keys() - rows.keys())
    assert not missing, f"{PAGE}, Sections: add `| key | default | what |` for {', '.join(missing)}"
    assert rows.keys() == schema["properties"].keys()
    assert {key for key, default in rows.items() if default == REQUIRED} == set(schema["required"])


def closed(schema, path=""):
    """(section, schema) of every mapping whose keys the schema lists and closes."""
    for name, below in schema.get("properties", {}).items():
        here = path + name
        inner = below.get("additionalProperties")
        below = inner if isinstance(inner, Mapping) and "properties" in inner else below
        if "properties" in below and below.get("additionalProperties") is False:
            yield here, below
            yield from closed(below, f"{here}.")


def test_keys_are_those_of_the_schema_where_it_lists_them(glossary):
    found = dict(closed(yaml.safe_load(SCHEMA.read_text())))
    assert found.keys() >= {"base", "corruptions", "probes"}
    for section, schema in found.items():
        if section != "data":
            rows = {key.strip("`"): default for key, default, _ in glossary[f"`{section}`"]}
            assert rows.keys() == schema["properties"].keys(), f"{PAGE}, {section}"
            required = set(schema.get("required", ()))
            assert required <= {key for key, default in rows.items() if default == REQUIRED}, f"{PAGE}, {section}"


def test_the_page_names_every_stage_and_probe(repository):
    text = (repository / PAGE).read_text(encoding="utf-8")
    sentence = re.search(r"A request for each stage: (.*)\.", text)
    assert tuple(SAID.findall(sentence[1])) == resources.STAGES


# --- words ---------------------------------------------------------------------------------------

SCANNED = ("red", "analysis", "config", "workflow", "slurm", "docs", "README.md", "CONTRIBUTING.md", "mkdocs.yml")
TEXTS = {".py", ".yaml", ".yml", ".smk", ".rst", ".md", ".html", ""}
# Other people's words: vLLM's and W&B's, OpenRLHF's arguments, and the keys of a published file of worked numbers.
ALLOWED = {
    "red/sampling/vllm.py": {"offline"},
    "red/plumbing/tracking/wandb.py": {"offline"},
    "red/engines/openrlhf/actor.py": {"ckpt"},
    "red/engines/openrlhf/arguments.py": {"ckpt"},
    "red/engines/openrlhf/policy.py": {"ckpt"},
    "red/golden/losses.py": {"online", "offline"},
}


def banned(glossary):
    """{word: what to write}."""
    return {word: term for term, _, instead in glossary["Words"] for word in SAID.findall(instead)}


def pattern(word):
    """The word or its plural, also where a line ends inside."""
    words = r"\s+".join(re.escape(part) for part in word.split())
    return rf"(?<!\w)(?:{words}s?|{words[:-1]}ies)(?!\w)"


def used(text, words, terms):
    """The banned words in a text, outside the glossary's own terms ("offline policy" is one)."""
    text = re.sub(r'"\n\s*f?"', "", text)  # a text in two pieces
    for term in terms:
        text = re.sub(pattern(term), "", text, flags=re.IGNORECASE)
    return {word for word in words if re.search(pattern(word), text, re.IGNORECASE)}


def test_words_are_those_of_the_glossary(repository, glossary):
    words = banned(glossary)
    terms = [re.sub(r" \(.*\)", "", term) for term, *_ in glossary["Words"]]
    terms = [term for term in terms if any(re.search(pattern(word), term) for word in words)]
    assert len(words) > 20 and terms == ["offline policy"]
    files = [
        f
        for name in SCANNED
        for f in ([repository / name] if (repository / name).is_file() else (repository / name).rglob("*"))
    ]
    wrong = []
    for path in files:
        name = path.relative_to(repository).as_posix()
        if path.suffix not in TEXTS or not path.is_file() or "__pycache__" in name or name == PAGE:
            continue
        found = used(path.read_text(encoding="utf-8"), words, terms) - ALLOWED.get(name, set())
        wrong += [f"{name}: {word!r}, see {words[word]!r}" for word in sorted(found)]
    assert not wrong


def test_what_is_allowed_is_used(repository, glossary):
    for name, words in ALLOWED.items():
        assert used((repository / name).read_text(encoding="utf-8"), words, ["offline policy"]) == words, name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("an offline policy, two offline policies, pi_offline", set()),
        ('"the offline "\n    "policy" and an offline\npolicy', set()),
        ("the offline weight", {"offline", "offline weight"}),
        ("Online: rollouts", {"online"}),
        ("on-policy samples", {"on-policy sample"}),
        ("trials of it", {"trial"}),
        ("`entropy/rl` and entropy/rollout", {"entropy/rl"}),
    ],
)
def test_the_scan_finds_what_it_looks_for(text, expected, glossary):
    assert used(text, banned(glossary), ["offline policy"]) == expected


def test_no_word_has_two_entries(glossary):
    words = [term for term, *_ in glossary["Words"]]
    assert sorted(set(words)) == sorted(words)
    assert [row for row in glossary["Words"] if len(row) != 3 or not row[1]] == []
