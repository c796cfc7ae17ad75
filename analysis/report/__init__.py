"""The page of a study: what came out, every item in the configuration's order, and curves one can touch."""
