"""Which pictures of a batch are best: scores from whatever models are there (`clip`, `aesthetic`), combined (`combine`)."""
