"""YAML documents: strict reading, deep merging, and the names that may stand in paths."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from red.errors import ConfigError, DataError
from red.plumbing.storage import read_bytes

NAME = re.compile(r"[a-z0-9_]+")
MESSAGE = 240  # characters of another library's message that are shown


def read_yaml(path: Path) -> dict[str, Any]:
    """One YAML mapping. Aliases are refused, because they can explode, and so are repeated keys."""
    import yaml

    try:
        text = read_bytes(path).decode("utf-8-sig")
        try:  # libyaml is five times as fast, where PyYAML was built with it, and says less of what is wrong
            document = _document(getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text), str(path))
        except yaml.YAMLError:
            document = _document(yaml.SafeLoader(text), str(path))
    except DataError as error:
        raise ConfigError(str(error)) from None
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first = " ".join(str(error).split())
        raise ConfigError(f"{path}: not valid YAML: {first[:MESSAGE]}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping at the top")
    return document


def _document(loader: Any, path: str) -> Any:
    node = loader.get_single_node()
    _check_nodes(node, path)
    return None if node is None else loader.construct_document(node)


def _check_nodes(root: Any, path: str) -> None:
    """Every node once, every key of a mapping once; ConfigError names the line."""
    import yaml

    seen: set[int] = set()
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        where = f"{path}: line {node.start_mark.line + 1}"
        if id(node) in seen:
            raise ConfigError(f"{where}: YAML aliases (*name) are not allowed; write it out")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            keys = Counter(str(key.value) for key, _ in node.value)
            repeated = [key for key, count in keys.items() if count > 1]
            if repeated:
                raise ConfigError(f"{where}: key {repeated[0]!r} occurs twice")
            waiting += [part for pair in node.value for part in pair]


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key; anything else in `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = deep_merge(result[key], value) if both else value
    return result
