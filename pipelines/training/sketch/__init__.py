"""A latent guidance predictor for one's own model: `lessons` makes them of a folder of pictures, `teaching` trains on them."""
