"""The prompt language: text to tree (`parse`), tree to 75-token chunks (`chunks`, `tokens`), chunks to embeddings (`embed`)."""
