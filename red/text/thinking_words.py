"""Words and phrases that reopen a question: the over-thinking of Figures 1 and 7, counted as whole words."""

import re

WORDS = ("but", "wait", "alternatively", "hmm", "let me check again")
# Whole words in any case: "distribute" holds no "but".
PATTERN = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)
