"""`serving.*`: containers that serve models register and report here; the page asks who serves what, and how well."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from control_plane.schema.base import Empty
from control_plane.schema.serving import (
    ContainerFacts,
    ContainerReportRequest,
    ContainerRequest,
    EndpointHistoryRequest,
    EndpointRequest,
    RegisterContainerRequest,
)
from control_plane.services import serving_stats as stats
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.registry import endpoint
from control_plane.store import GuardFailed

PREFIX = "serving:"
"""Of the settings that hold one container each."""
FACTS = tuple(field.name for field in msgspec.structs.fields(ContainerFacts) if field.name != "container_id")
SHOWN = ("model_source", "model_version", "preprocess_artifact", "input_type", "input_size")
DEFAULT_TIMEOUT_S = 600


@endpoint("serving.register_container", RegisterContainerRequest, min_version="2.31")
async def register_container(ctx: Context, request: RegisterContainerRequest) -> dict[str, Any]:
    """A container begins to load its model."""
    now_s = ctx.now_ms / 1000
    facts = {name: getattr(request, name) for name in FACTS}
    await _put(
        ctx,
        request.container_id,
        {**facts, "timeout_s": request.timeout, "registered_at_s": now_s, "seen_at_s": now_s, "samples": []},
    )
    return {}


@endpoint("serving.unregister_container", ContainerRequest, min_version="2.31")
async def unregister_container(ctx: Context, request: ContainerRequest) -> dict[str, Any]:
    """A container ends; an unknown one is no error."""
    await _remove(ctx, [request.container_id])
    return {}


@endpoint("serving.container_status_report", ContainerReportRequest, min_version="2.31")
async def container_status_report(ctx: Context, request: ContainerReportRequest) -> dict[str, Any]:
    """A container says what it does; an unknown one is registered by it."""
    now_s = ctx.now_ms / 1000
    known = await ctx.store.get("setting", PREFIX + request.container_id) or {"registered_at_s": now_s}
    said = {name: value for name in FACTS if (value := getattr(request, name)) is not None}
    samples = [*(known.get("samples") or ()), stats.sample(now_s, msgspec.structs.asdict(request))]
    report = {"uptime_sec": request.uptime_sec, "seen_at_s": now_s, "samples": samples[-stats.SAMPLES_KEPT :]}
    await _put(ctx, request.container_id, {"timeout_s": DEFAULT_TIMEOUT_S, **known, **said, **report})
    return {}


async def _put(ctx: Context, container: str, values: dict[str, Any]) -> None:
    id = PREFIX + container
    fields = {name: value for name, value in values.items() if name != "id"}
    transaction = ctx.store.transaction()
    transaction.set("setting", id, fields)
    try:
        await transaction.commit()
    except GuardFailed:
        transaction = ctx.store.transaction()
        transaction.create("setting", id, {**fields, "container_id": container})
        await transaction.commit()


async def _remove(ctx: Context, containers: Iterable[str]) -> None:
    transaction = ctx.store.transaction()
    for container in containers:
        transaction.delete("setting", PREFIX + container)
    await transaction.commit()


async def _alive(ctx: Context) -> list[dict[str, Any]]:
    """The containers that reported in time; the others are forgotten on the way."""
    ids = [id for id in await ctx.store.ids("setting") if id.startswith(PREFIX)]
    found = [one for one in await ctx.store.get_many("setting", sorted(ids)) if one is not None]
    now_s = ctx.now_ms / 1000
    alive = [one for one in found if one["seen_at_s"] + one["timeout_s"] > now_s]
    if len(alive) < len(found):
        await _remove(ctx, [one["container_id"] for one in found if one not in alive])
    return alive


def _newest(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return container["samples"][-1] if container.get("samples") else {}


async def _instances(ctx: Context, url: str) -> list[dict[str, Any]]:
    found = [one for one in await _alive(ctx) if one.get("endpoint_url") == url]
    if not found:
        raise validation("nothing is served there", endpoint_url=url)
    return found


@endpoint("serving.get_endpoints", Empty, min_version="2.31")
async def get_endpoints(ctx: Context, request: Empty) -> dict[str, Any]:
    """List the addresses at which models are served."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for container in await _alive(ctx):
        if container.get("endpoint_url") and container.get("samples"):
            groups.setdefault(container["endpoint_url"], []).append(container)
    return {"endpoints": [_summary(ctx, url, instances) for url, instances in sorted(groups.items())]}


def _summary(ctx: Context, url: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    newest = [_newest(one) for one in instances]
    latencies = [one["latency_ms"] for one in newest if "latency_ms" in one]
    return {
        "endpoint": instances[0]["endpoint_name"],
        "model": instances[0]["model_name"],
        "url": url,
        "instances": len(instances),
        "uptime_sec": max((one.get("uptime_sec") or 0 for one in instances), default=0),
        "requests": sum(one.get("requests", 0) for one in newest),
        "requests_min": sum(one.get("requests_min", 0) for one in newest),
        "latency_ms": round(sum(latencies) / len(latencies)) if latencies else 0,
        "last_update": _iso(ctx, max(one["seen_at_s"] for one in instances)),
    }


def _iso(ctx: Context, at_s: float) -> str:
    return ctx.now.fromtimestamp(at_s, ctx.now.tzinfo).isoformat(timespec="microseconds")


@endpoint("serving.get_loading_instances", Empty, min_version="2.31")
async def get_loading_instances(ctx: Context, request: Empty) -> dict[str, Any]:
    """List the containers that registered and do not serve yet."""
    loading = [one for one in await _alive(ctx) if not one.get("samples") or not one.get("endpoint_url")]
    return {"instances": [_instance(ctx, one) for one in loading]}


def _instance(ctx: Context, container: Mapping[str, Any]) -> dict[str, Any]:
    measures = {name: value for name, value in _newest(container).items() if name != "at_s"}
    return {
        "id": container["container_id"],
        "endpoint": container["endpoint_name"],
        "url": container.get("endpoint_url"),
        "model": container["model_name"],
        **{name: container.get(name) for name in SHOWN},
        "uptime_sec": container.get("uptime_sec") or 0,
        "age_sec": int(ctx.now_ms / 1000 - container["registered_at_s"]),
        "last_update": _iso(ctx, container["seen_at_s"]),
        "reference": container.get("reference") or [],
        **measures,
    }


@endpoint("serving.get_endpoint_details", EndpointRequest, min_version="2.31")
async def get_endpoint_details(ctx: Context, request: EndpointRequest) -> dict[str, Any]:
    """Return what one address serves, and the containers behind it."""
    instances = await _instances(ctx, request.endpoint_url)
    return {
        **_summary(ctx, request.endpoint_url, instances),
        **{name: instances[0].get(name) for name in SHOWN},
        "instances": [_instance(ctx, one) for one in instances],
    }


@endpoint("serving.get_endpoint_metrics_history", EndpointHistoryRequest, min_version="2.31")
async def get_endpoint_metrics_history(ctx: Context, request: EndpointHistoryRequest) -> dict[str, Any]:
    """Return how a measure of one address went, and of each container behind it; two hours are kept."""
    if request.to_date <= request.from_date:
        raise validation("to_date must be after from_date", from_date=request.from_date, to_date=request.to_date)
    interval_s = stats.interval_of(request.from_date, request.to_date, request.interval)
    measure = request.metric_type
    curves = {
        one["container_id"]: stats.curve(
            one["samples"], measure, from_s=request.from_date, to_s=request.to_date, interval_s=interval_s
        )
        for one in await _instances(ctx, request.endpoint_url)
    }
    answer: dict[str, Any] = {
        "computed_interval": interval_s,
        "total": _shown(measure, stats.combined(list(curves.values()), measure)),
    }
    if request.instance_charts:
        answer["instances"] = {id: _shown(measure, one) for id, one in curves.items()}
    return answer


def _shown(title: str, curve: Mapping[int, float]) -> dict[str, Any]:
    return {"title": title, "dates": list(curve), "values": list(curve.values())}
