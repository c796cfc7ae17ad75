"""There is one way to write a product, and the few other places that write, rename or delete are known."""

import ast
from pathlib import Path

WRITES = {"write_text", "write_bytes", "touch", "symlink_to", "link", "mkstemp", "truncate", "dump", "savefig"}
WRITES |= {"unlink", "rmtree", "rmdir", "remove", "removedirs", "rename", "replace", "move"}
WRITES |= {"copy", "copy2", "copyfile", "copytree", "copyfileobj", "save_file", "to_csv", "to_parquet", "write_table"}
WRITES |= {"overwrite", "replacing", "write_guarded"}
# Modules that must write otherwise than by red.plumbing.storage, and what they do.
KNOWN = {
    "red/plumbing/partials.py": {"open", "rmtree", "unlink", "replacing"},
    "red/plumbing/checksums.py": {"overwrite"},
    "red/plumbing/storage.py": {
        "open",
        "unlink",
        "replace",
        "rename",
        "rmtree",
        "overwrite",
        "replacing",
        "link",
        "copy2",
    },
    # Logs that grow, in a folder of the program's own.
    "red/plumbing/item_log.py": {"open", "overwrite", "replacing", "copyfileobj"},
    "red/training/metrics_log.py": {"open", "overwrite"},
    "red/evaluation/answers.py": {"link", "replace"},
    "red/commands/probe.py": {"unlink"},
    # States, in a folder that `RunFiles.check` has found to be of a training.
    "red/training/files.py": {"rmtree", "rename", "copytree"},
    "red/training/state.py": {"write_guarded", "unlink"},
    "red/engines/openrlhf/states.py": {"rmtree"},
    "red/engines/openrlhf/launch.py": {"unlink", "touch"},
    # A project for somebody: their own from then on, and nothing is replaced.
    "red/project.py": {"copytree", "rename", "rmtree"},
    # Files inside of a folder that `write_directory` makes whole.
    "red/training/guard.py": {"write_text"},
    "red/models/checkpoint.py": {"save_file", "write_bytes"},
    "red/models/prepare.py": {"copyfile", "write_text"},
    "red/models/surgery.py": {"copyfile", "write_text", "open"},
    "red/engines/openrlhf/policy.py": {"copy", "unlink", "rmtree"},
    # The null device.
    "red/plumbing/terminal.py": {"open"},
    # A cache under the hash of its inputs.
    "red/data/memory.py": {"write_guarded", "write_table"},
    # Into memory.
    "red/probes/row.py": {"write_table"},
    "analysis/output/write.py": {"to_csv", "savefig"},
}
PATHS = {"path", "os", "shutil", "partial", "log", "state", "before", "folder", "tag", "old", "file", "owner", "record"}


def calls(path: Path) -> set[str]:
    """Names of the functions that write, and `open` for more than reading."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name == "open" and any(mode(argument) for argument in [*node.args, *(k.value for k in node.keywords)]):
            found.add("open")
        elif name in WRITES and is_of_files(node.func):
            found.add(name)
    return found


def mode(argument: ast.expr) -> bool:
    """Whether it is a mode that writes."""
    text = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(text, str) and text[:1] in ("w", "a", "x", "r") and set(text) & set("wax+") != set()


def is_of_files(function: ast.expr) -> bool:
    """`replace` is also a method of texts and of records, `copy` of tables."""
    if not isinstance(function, ast.Attribute):
        return getattr(function, "id", "") not in ("replace", "copy", "link", "move", "remove", "dump", "truncate")
    if function.attr in ("replace", "copy", "link", "rename", "remove", "move", "truncate", "dump", "touch"):
        owner = function.value
        name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        return name in PATHS | {"stop"}
    return True


def test_every_place_that_writes_is_known(repository):
    files = [path for room in ("red", "analysis") for path in sorted((repository / room).rglob("*.py"))]
    found = {path.relative_to(repository).as_posix(): calls(path) for path in files}
    assert {name: kinds for name, kinds in found.items() if kinds} == KNOWN


def test_rules_of_the_workflow_write_by_commands(repository):
    """But for one, which says so."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted((repository / "workflow").rglob("*.smk")))
    assert text.count("write_atomic(") == 1
    assert not any(f" {word} " in text for word in ("rm", "mv", "cp", "rmtree", "unlink"))
