"""What a page of the documentation shows: commands, names of commands, files to write, pieces of configuration."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# `red data: ...` is what a command says.
PROGRAMS = r"make|snakemake|python|red(?! \w+:)|pip|git|conda|bash|cd|eval|mkdocs|pytest"
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r'^```(?:yaml|python|json) title="([^" ]+)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"(?:^\n)((?: {4,}\S.*\n|^\n(?= {4}))+)", re.MULTILINE)
LINE = re.compile(rf"^ *((?:{PROGRAMS}|\.) .+)$", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(rf"(?:{PROGRAMS}) .+|\.ci/run")
# `python -m red` and `red plot` are names and no calls.
NAME = re.compile(r"python -m red|(?:python -m )?red (\w+)(?: \.\.\.)?")
REMARK = re.compile(r"\s{2,}#|\s#\s")


@dataclass(frozen=True)
class Page:
    """One page, by its path in the project."""

    name: str
    text: str

    @cached_property
    def blocks(self) -> list[str]:
        """What is indented by four and follows an empty line, without the indentation."""
        plain = FENCE.sub("", self.text)
        return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in BLOCK.findall(plain)]

    @cached_property
    def spans(self) -> list[str]:
        """Code in the text, each on one line."""
        plain = FENCE.sub("", self.text)
        return [" ".join(span.split()) for span in SPAN.findall(plain)]

    @cached_property
    def commands(self) -> list[str]:
        """In their order, blocks first, each once. A line that ends in a backslash goes on; remarks are left out."""
        lines = [line for block in self.blocks for line in LINE.findall(re.sub(r"\\\n *", "", block))]
        shown = [REMARK.split(line)[0].strip() for line in lines]
        calls = [span for span in self.spans if COMMAND.fullmatch(span) and not NAME.fullmatch(span)]
        return list(dict.fromkeys(shown + calls))

    @cached_property
    def mentions(self) -> set[str]:
        """Commands of `red` that the text names, without what one would type behind them."""
        return {match[1] for span in self.spans if (match := NAME.fullmatch(span)) and match[1]}

    @cached_property
    def files(self) -> dict[str, str]:
        """Blocks with a file's name: that file."""
        return dict(FILE.findall(self.text))

    @cached_property
    def yaml(self) -> list[str]:
        """Fenced YAML, blocks and code in the text that begin with a key."""
        fenced = [text for kind, text in FENCE.findall(self.text) if kind == "yaml"]
        return [*fenced, *(code for code in [*self.blocks, *self.spans] if re.match(r"\w+: ", code))]


def read(repository: Path) -> dict[str, Page]:
    """Every page that a reader is meant to follow. The changelog tells of commands that were."""
    folders = [repository, repository / "docs", repository / "bench", repository / "tests" / "faults"]
    paths = sorted(path for folder in folders for path in folder.glob("*.md") if path.name != "CHANGELOG.md")
    names = {path: path.relative_to(repository).as_posix() for path in paths}
    return {name: Page(name, path.read_text(encoding="utf-8")) for path, name in names.items()}
