"""One module per table or figure, with a function `build(tables: Tables) -> Table | Figure`; none imports another."""
