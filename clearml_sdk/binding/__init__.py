"""Public names of things that other modules define, where scripts expect them."""
