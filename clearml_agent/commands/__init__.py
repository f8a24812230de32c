"""The commands of `clearml-agent`, a module or two each; internal."""
