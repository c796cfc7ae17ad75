"""Words and phrases that reopen a question (section 15.3, Figures 1 and 7)."""

import re

WORDS = ("but", "wait", "alternatively", "hmm", "let me check again")
# Whole words in any case: "distribute" holds no "but".
PATTERN = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
