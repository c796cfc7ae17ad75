"""Foreign text made harmless for where it goes: one function per target.

A label, an id, a response or a line of a log is whatever somebody wrote. Each function returns what its target shows as
that text and as nothing else: no markup, no formula, no command. Elsewhere none is needed: Snakemake quotes what goes
into a shell (`:q`), matplotlib reads no formulas (analysis/parts/style.py), reStructuredText gets no foreign text.
"""

import html as entities
import re

FORMULA = tuple("=+-@＝＋－＠\t\r\n")
MARKDOWN = str.maketrans({c: "\\" + c for c in "\\`*_[]|$~#"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"})
GREEK = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
GREEK += ["nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"]
LATEX = str.maketrans(
    {character: "\\" + character for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"`": r"\textasciigrave{}"}
    | {"†": r"$^\dagger$", "‡": r"$^\ddagger$", "→": r"$\rightarrow$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$"}
    | {"∞": r"$\infty$", "±": r"$\pm$", "·": r"$\cdot$", "×": r"$\times$", "√": r"$\surd$", "∈": r"$\in$"}
    | {"Σ": r"$\Sigma$", "Δ": r"$\Delta$", "<": "$<$", ">": "$>$", "∇": r"$\nabla$"}
    | {"…": r"\ldots{}", "–": r"\textendash{}", "—": r"\textemdash{}"}
    | {letter: rf"$\{name}$" for letter, name in zip("αβγδεζηθικλμνξπρστυφχψω", GREEK, strict=True)}
)


def terminal(text: str) -> str:
    """One line for terminals and logs; what is not printable, line ends too, is shown as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def visible(text: str) -> str:
    """One line for pages and pictures: white space as single spaces, else as `terminal`."""
    return terminal(" ".join(text.split()))


def html(text: str) -> str:
    """For an element or a quoted attribute."""
    return entities.escape(visible(text))


def markdown(text: str) -> str:
    """For a paragraph, a list or a cell of a table; GitHub's formulas included."""
    text = visible(text).translate(MARKDOWN)
    # What begins a list or a rule begins none behind a backslash.
    return re.sub(r"^(\d*)([-+=.)])(?=\s|\2|$)", r"\1\\\2", text)


def latex(text: str) -> str:
    """For a paragraph or a cell of a table."""
    text = visible(text)
    # Between doubled characters, which would become one: a dash, a quotation mark.
    broken = re.sub(r"([-',])(?=\1)", r"\1{}", text.translate(LATEX))
    # `\\` before the text would read a bracket as a distance, and a star as its own.
    return "{}" + broken if text.startswith(("[", "*")) else broken


def csv(text: str) -> str:
    """For a cell: a spreadsheet shows it and computes nothing."""
    return f"'{terminal(text)}" if text.startswith(FORMULA) and not _is_number(text) else terminal(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
