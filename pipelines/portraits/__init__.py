"""Photos of a person for identity adapters: read upright, their face found or cropped by hand. No torch; photos stay here."""
