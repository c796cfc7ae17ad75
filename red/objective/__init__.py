"""The one composite objective (methods.md section 13): pure tensor functions, no model, no file."""
