"""One module per row. `ROW` says what is compared; `prepare` makes one side ready to run a case."""
