"""Tasks in containers: `daemon --docker`, `execute --docker`, through the engine's API (Docker, or podman's like it).

choosing    which image, arguments and setup script a task gets            pure
options     `docker run` arguments as words -> options                     pure
merging     the agent's and the task's arguments -> one list               pure
creation    options, mounts, GPUs, labels -> what the API is asked for     pure
engine      the calls of the API; pulling: what of a pull is said
loopback    this machine's loopback, brought to containers; relay: the other end of that, in them
container   one run's container: started, waited for, stopped, removed
inside      helper processes in a container; pythons: those of an image; musl: uv for an image of Alpine
"""
