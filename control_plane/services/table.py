"""The handler table of this server: every service module it consists of."""

from importlib import import_module

from control_plane.services.registry import Table, build_table

MODULES = (
    "agents",
    "auth",
    "debug",
    "events",
    "events_curves",
    "events_follow",
    "events_log",
    "events_plots",
    "events_read",
    "events_samples",
    "login",
    "models",
    "models_metadata",
    "models_old",
    "organization",
    "organization_download",
    "organization_follow",
    "pipelines",
    "projects",
    "projects_ex",
    "projects_queries",
    "queues",
    "queues_entries",
    "queues_metrics",
    "reports",
    "reports_data",
    "server",
    "serving",
    "storage",
    "tasks",
    "tasks_artifacts",
    "tasks_batch",
    "tasks_edit",
    "tasks_history",
    "tasks_params",
    "tasks_queueing",
    "tasks_reset",
    "tasks_status",
    "tasks_wait",
    "users",
    "workers",
    "workers_stats",
)


def handler_table() -> Table:
    """Import the services and collect their endpoints."""
    return build_table(import_module(f"control_plane.services.{name}") for name in MODULES)
