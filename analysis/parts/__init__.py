"""What items are put together from: cells, captions, curves, drawings."""
