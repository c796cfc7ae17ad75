"""Answers as text: cleaned, normalized and compared without symbolic work."""
