"""Examples that the scripts and the tests run for real."""
