"""A proxy beside a task's own web services: routes with callbacks, and figures about what they serve."""
