"""The friendly commands: `clearml ls`, `clearml logs -f`, `clearml plot` and so on. One module a group of commands."""
