"""Files, records, provenance, progress and trackers: what changes no result, so that a change here reruns nothing."""
