"""What the studio costs beside the bare libraries: `python -m bench` prints a table and writes JSON."""
