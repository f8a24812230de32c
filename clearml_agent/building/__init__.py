"""`clearml-agent build`: a task's environment and code as a folder, or as a container image."""
