"""The collected tables of a study: written once, read by every item, compared and exported."""
