"""Recording without a server: into a folder, that is imported into one later."""
