"""Every claim of speed, beside the official package in the same run: `scripts/bench`."""
