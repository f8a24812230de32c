"""Scaling: starting machines with agents while tasks wait, and ending those that have nothing to do."""
