"""What an item returns, and how it is written to files and pages."""
