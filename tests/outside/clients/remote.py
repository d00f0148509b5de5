"""What the remote-controlled Python clients share: the same commands and events as remote.mjs.

A client gives `Sdk`: how to open a session, and the few calls in which the two lines of the SDK differ.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
from agent import recorder

NAMES = ["mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region", "last-event-id"]


def say(line):
    print(json.dumps(line), flush=True)


class Events:
    """Everything that the server says or asks, as it comes."""

    def __init__(self):
        self.count = 0

    def __call__(self, kind, **more):
        self.count += 1
        say({"event": kind, "n": self.count, **more})

    # The recorder's list.
    def append(self, exchange):
        self("http", **exchange)


event = Events()


def recorded():
    return recorder(event, NAMES)


def wire(model):
    """A model of either SDK as it travels."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def told(notification):
    if isinstance(notification, Exception):
        print("the transport said", repr(notification), file=sys.stderr)
        return
    notification = getattr(notification, "root", notification)
    # v1 shows the server's requests here too; those are told by their callbacks.
    if hasattr(notification, "method"):
        said = wire(notification)
        event("told", method=said["method"], params=said.get("params", {}))


class Remote:
    """One client at a time; its connection is held open by a task of its own."""

    def __init__(self, sdk):
        self.sdk = sdk
        self.scopes = {}
        self.holder = None
        self.enough = None
        self.client = None
        self.listening = None

    async def connect(self, job):
        opened = asyncio.get_running_loop().create_future()
        self.enough = asyncio.Event()

        async def hold():
            try:
                async with AsyncExitStack() as stack:
                    self.client = await self.sdk.open(stack, job)
                    opened.set_result(self.sdk.hello(self.client))
                    await self.enough.wait()
            except BaseException as error:
                if opened.done():
                    raise
                opened.set_exception(error)

        self.holder = asyncio.create_task(hold())
        return await opened

    async def close(self, _):
        if self.listening:
            self.listening.cancel()
            await asyncio.wait([self.listening])
        self.enough.set()
        await self.holder

    async def list(self, job):
        return [wire(one) for one in await self.sdk.list(self.client, job["what"])]

    async def call(self, job):
        key = job.get("key")

        async def progress(done, total, message):
            said = {"progress": done, "total": total, "message": message}
            event("progress", key=key, **{name: value for name, value in said.items() if value is not None})

        with anyio.CancelScope() as scope:
            self.scopes[key] = (scope, self.sdk.next_id(self.client))
            result = await self.sdk.call(
                self.client, job["name"], job.get("arguments") or {}, progress if job.get("progress") else None, job.get("meta")
            )
            return wire(result)
        raise RuntimeError("abandoned")

    async def abandon(self, job):
        scope, request_id = self.scopes.pop(job["key"])
        await self.sdk.abandon(self.client, scope, request_id)

    async def driveTask(self, job):
        return await self.sdk.drive_task(self.client, job["name"], job.get("arguments") or {})

    async def beginTask(self, job):
        return wire(await self.sdk.begin_task(self.client, job["name"], job.get("arguments") or {}))

    async def taskStatus(self, job):
        tasks = [wire(one) for one in await self.sdk.tasks(self.client)]
        return next((one["status"] for one in tasks if one["taskId"] == job["task"]), None)

    async def cancelTask(self, job):
        return wire(await self.sdk.cancel_task(self.client, job["task"]))

    async def read(self, job):
        return wire(await self.sdk.read(self.client, job["uri"]))

    async def prompt(self, job):
        return wire(await self.client.get_prompt(job["name"], job.get("arguments")))

    async def complete(self, job):
        return wire(await self.sdk.complete(self.client, job["ref"], job["argument"]))

    async def level(self, job):
        return wire(await self.client.set_logging_level(job["level"]))

    async def subscribe(self, job):
        return wire(await self.sdk.subscribe(self.client, job["uri"]))

    async def unsubscribe(self, job):
        return wire(await self.sdk.unsubscribe(self.client, job["uri"]))

    async def ping(self, _):
        return wire(await self.client.send_ping())

    async def rootsChanged(self, _):
        await self.client.send_roots_list_changed()

    async def listen(self, job):
        honored = asyncio.get_running_loop().create_future()

        async def hold():
            async with self.sdk.listen(self.client, job["filter"]) as subscription:
                honored.set_result(wire(subscription.honored))
                async for change in subscription:
                    event("told", **self.sdk.change(change))

        self.listening = asyncio.create_task(hold())
        return await honored


async def obey(sdk):
    remote = Remote(sdk)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running = set()

    async def run(command):
        try:
            done = await getattr(remote, command["do"])(command)
            say({"id": command["id"], "done": done})
        except Exception as error:
            inner = error
            while isinstance(inner, BaseExceptionGroup):
                inner = inner.exceptions[0]
            print(repr(error), file=sys.stderr)
            code = getattr(getattr(inner, "error", inner), "code", None)
            say({"id": command["id"], "failed": {"code": code, "message": str(inner) or repr(inner)}})

    async for line in reader:
        task = asyncio.create_task(run(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


@asynccontextmanager
async def never(*_):
    raise RuntimeError("not in this line of the SDK")
    yield
