"""The ground floor: what a request is and what it says of itself. No torch, no files, no network."""
