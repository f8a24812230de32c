"""GPUs at the agent: read through NVML, shown to tasks, and given out with `--dynamic-gpus`. See docs/gpus.md.

devices.py   what NVML tells about boards, MIG instances and the processes on them
visible.py   `--gpus` in every form, and the variables by which a task sees its GPUs
packing.py   which GPUs a task gets, and what is kept for another (pure)
turns.py     whose turn it is: priority, rotation, and who has been passed over for too long (pure)
pool.py      one daemon's GPUs: what is held is read from the run directories
dynamic.py   `--dynamic-gpus` from its options to a running pool
watching.py  who uses how much of what: budgets of memory, and GPUs that outsiders occupy
"""
