"""The one loss of all methods (docs/methods.md section 13): pure tensor functions, no model, no file."""
