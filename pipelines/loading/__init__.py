"""What lies in the models folders and the one holder of weights. Importing this package imports no torch."""
