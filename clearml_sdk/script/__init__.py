"""What a task records about the code that runs: entry point, repository, uncommitted changes, packages."""
