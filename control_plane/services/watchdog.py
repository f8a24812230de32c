"""placeholder"""

import asyncio


async def run(api: object) -> None:
    await asyncio.Event().wait()
