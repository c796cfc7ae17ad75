"""The commands of `python -m red`. A module here defines HELP, arguments(parser) and run(options)."""
