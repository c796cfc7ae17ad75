"""Side-by-side measurements with what else one could use: `python -m bench [ROW...]`."""
