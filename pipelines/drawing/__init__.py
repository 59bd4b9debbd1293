"""A user's drawing made ready: which lines it has (`lines`), what its strokes' colours are, what the knobs mean (`knobs`)."""
