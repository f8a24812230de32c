"""Requests as objects: `from clearml.backend_api.services import tasks; session.send(tasks.GetAllRequest(...))`."""
