"""Random programs: making them, foretelling how they end, running them on real processes, and judging what happened."""
