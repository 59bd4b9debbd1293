"""One way of making an image a file: requests and a loaded pipeline in, latents out."""
