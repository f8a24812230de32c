"""Files and objects that a task keeps: written by `ArtifactUploads`, read by `Artifact`."""
