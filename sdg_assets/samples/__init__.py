"""Pages on which one listens to examples and reads where they come from."""
