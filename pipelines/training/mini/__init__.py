"""The makers of the embedded model family mini: its world, its models, its scores."""
