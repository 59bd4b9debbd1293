"""The picture-book world: scenes sampled from seeds, drawn as vectors, with captions and ground truth."""
