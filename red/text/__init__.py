"""What becomes of a text before and after a model: templates, tokens, words that show thinking."""
