"""Questions at a terminal, for scripts that set something up."""
