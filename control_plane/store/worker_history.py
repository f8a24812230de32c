"""What workers reported about their machines: a day of samples, then `DAYS_KEPT` days by the hour.

One hash a worker: `r<hour>` says that there are samples of that hour (in a string of their own, which grows cheaply),
`z<hour>` has them compressed once the hour is over, `d<day>` the summaries of a day's hours, `worker` its name. The
first report of an hour tidies up what is older. What a worker that is gone has left expires.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys, samples
from control_plane.store.batching import Command, words
from control_plane.store.connection import Connection
from control_plane.store.samples import HOUR_S, Sample, Stretch
from control_plane.store.turns import Turns

DAY_S = 24 * HOUR_S
SAMPLES_KEPT_H = 24
DAYS_KEPT = 30
LEAST_INTERVAL_S = 10
"""Reports closer than this are noted once."""
HOUR_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Recorded:
    """A worker of which something is kept."""

    key: str
    name: str


class WorkerHistory:
    """The histories of one store's workers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: str, name: str, sample: Sample, now_ms: int) -> None:
        """Note a report. Should this die within, a sample is lost or an hour is tidied up later."""
        hour = sample.at_s // HOUR_S
        script_keys = [keys.worker_samples(key, hour), keys.worker_history(key), keys.recorded_workers()]
        expiry_ms = (DAYS_KEPT + 1) * DAY_S * 1000
        args = [samples.pack(sample), HOUR_BYTES, f"r{hour}", now_ms, expiry_ms, key, name]
        is_first = await self._connection.run(lambda _: self._connection.script("append_sample", script_keys, args))
        if is_first:
            await self.tidy(key, now_ms)

    async def recorded(self, since_ms: int, now_ms: int) -> list[Recorded]:
        """The workers that reported since then, living or not."""
        oldest_ms = now_ms - (DAYS_KEPT + 1) * DAY_S * 1000

        async def ids(client: Any) -> list[bytes]:
            await client.zremrangebyscore(keys.recorded_workers(), "-inf", oldest_ms)
            found: list[bytes] = await client.zrangebyscore(keys.recorded_workers(), since_ms, "+inf")
            return found

        recorded = []
        for id in await self._connection.run(ids):
            key = id.decode()
            name: Any = await self._connection.run(
                lambda client, key=key: client.hget(keys.worker_history(key), "worker")  # type: ignore[misc]
            )
            if name is not None:
                recorded.append(Recorded(key, name.decode()))
        return recorded

    async def read(self, key: str, from_s: int, to_s: int, *, by_hour: bool, metrics: Collection[str]) -> list[Stretch]:
        """What a worker reported between two times, oldest first.

        Args:
            by_hour: hours will do where they are summed up; otherwise samples, as far as they are kept.
            metrics: only these; none: only that it reported.
        """
        first_h, last_h = from_s // HOUR_S, to_s // HOUR_S
        names = await self._names(key)
        sampled = {int(name[1:]) for name in names if name[0] in "rz" and first_h <= int(name[1:]) <= last_h}
        days = [name for name in names if name[0] == "d" and first_h // 24 <= int(name[1:]) <= last_h // 24]
        hours = [
            hour for raw in (await self._fields(key, days)).values() for hour in samples.unpack_hours(raw, metrics)
        ]
        if by_hour:
            sampled -= {hour.at_s // HOUR_S for hour in hours}
        summed_up = set(range(first_h, last_h + 1)) - sampled
        found = [hour for hour in hours if hour.at_s // HOUR_S in summed_up]
        turns = Turns()
        for raw in (await self._samples(key, sampled)).values():
            for sample in samples.unpack(raw, metrics):
                if from_s <= sample.at_s <= to_s:
                    found.append(samples.stretch(sample))
                await turns.rest()
        return sorted(found, key=lambda part: part.at_s)

    async def latest(self, key: str) -> Sample | None:
        """The last report of the newest hour; None where nothing is kept."""
        hours = [int(name[1:]) for name in await self._names(key) if name[0] in "rz"]
        found = await self._samples(key, sorted(hours)[-1:])
        newest = [sample for raw in found.values() for sample in samples.unpack(raw)]
        return max(newest, key=lambda sample: sample.at_s, default=None)

    async def tidy(self, key: str, now_ms: int) -> None:
        """Sum up and compress hours that are over, and forget what is too old. Repeating it does no harm."""
        hash_key, this_hour = keys.worker_history(key), now_ms // 1000 // HOUR_S
        names = await self._names(key)
        over = [int(name[1:]) for name in names if name[0] == "r" and int(name[1:]) < this_hour]
        days = {f"d{hour // 24}" for hour in over}
        fields = await self._fields(key, days)
        summaries = {day: {hour.at_s: hour for hour in samples.unpack_hours(fields.get(day, b""))} for day in days}
        written: dict[str, bytes] = {}
        for hour, raw in (await self._samples(key, over)).items():
            written[f"z{hour}"] = samples.compress(raw)
            summaries[f"d{hour // 24}"] |= samples.joined(map(samples.stretch, samples.unpack(raw)), HOUR_S)
        written |= {day: samples.pack_hours(hours.values()) for day, hours in summaries.items()}
        written = {name: packed for name, packed in written.items() if not _is_old(name, this_hour)}
        removed = [f"r{hour}" for hour in over] + [name for name in names if _is_old(name, this_hour)]

        writes: list[Command] = []
        if written:
            writes.append(("HSET", hash_key, *words(written)))
        if removed:
            writes.append(("HDEL", hash_key, *removed))
        if over:
            writes.append(("UNLINK", *(keys.worker_samples(key, hour) for hour in over)))
        if written or removed:
            await self._connection.run(lambda client: client.many(writes, atomic=True))

    async def _names(self, key: str) -> list[str]:
        found: Any = await self._connection.run(lambda client: client.hkeys(keys.worker_history(key)))
        return [name.decode() for name in found if name != b"worker"]

    async def _samples(self, key: str, hours: Iterable[int]) -> dict[int, bytes]:
        """The packed samples of hours, those that came after an hour was compressed behind the others."""
        wanted = sorted(hours)
        if not wanted:
            return {}
        packed = await self._fields(key, [f"z{hour}" for hour in wanted])
        names = [keys.worker_samples(key, hour) for hour in wanted]
        fresh: Any = await self._connection.run(lambda client: client.mget(names))
        found = {}
        for hour, raw in zip(wanted, fresh, strict=True):
            compressed = packed.get(f"z{hour}")
            found[hour] = (samples.decompress(compressed) if compressed else b"") + (raw or b"")
        return found

    async def _fields(self, key: str, names: Iterable[str]) -> dict[str, bytes]:
        wanted = list(names)
        if not wanted:
            return {}
        found: Any = await self._connection.run(lambda client: client.hmget(keys.worker_history(key), wanted))
        return {name: raw for name, raw in zip(wanted, found, strict=True) if raw is not None}


def _is_old(name: str, this_hour: int) -> bool:
    if name[0] == "z":
        return int(name[1:]) <= this_hour - SAMPLES_KEPT_H
    return name[0] == "d" and int(name[1:]) < this_hour // 24 - DAYS_KEPT
