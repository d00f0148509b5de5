"""PyPI mcp 1.x, unmodified, remote-controlled."""

import asyncio

import httpx
import mcp.types as types
from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from pydantic import AnyUrl
from remote import event, never, obey, recorded, told, wire

RESULTS = {"elicitation/create": types.ElicitResult, "roots/list": types.ListRootsResult, "sampling/createMessage": types.CreateMessageResult}
REFERENCES = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}
LISTS = {"tools": "list_tools", "prompts": "list_prompts", "resources": "list_resources", "resourceTemplates": "list_resource_templates"}


class Sdk:
    listen = never

    async def open(self, stack, job):
        headers = {"Authorization": f"Bearer {job['bearer']}"}

        def factory(headers=None, timeout=None, auth=None):
            client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
            client.event_hooks = recorded()
            return client

        self.session_id = lambda: None
        if job["transport"] == "sse":
            read, write = await stack.enter_async_context(sse_client(job["url"], headers=headers, httpx_client_factory=factory, timeout=30.0))
        else:
            client = await stack.enter_async_context(factory(headers, httpx.Timeout(30.0, read=60.0)))
            opened = streamable_http_client(job["url"], http_client=client)
            read, write, self.session_id = await stack.enter_async_context(opened)

        def answering(method):
            async def answer(_context, params=None):
                event("asked", method=method, params=wire(params) if params else {})
                return RESULTS[method].model_validate(job["answers"][method])

            return answer if method in job.get("answers", {}) else None

        async def handler(message):
            told(message)

        session = ClientSession(
            read,
            write,
            sampling_callback=answering("sampling/createMessage"),
            elicitation_callback=answering("elicitation/create"),
            list_roots_callback=answering("roots/list"),
            message_handler=handler,
        )
        client = await stack.enter_async_context(session)
        self.answered = await client.initialize()
        return client

    def hello(self, _client):
        hello = self.answered
        return {"version": hello.protocolVersion, "capabilities": wire(hello.capabilities), "info": wire(hello.serverInfo), "session": self.session_id()}

    async def list(self, client, what):
        return getattr(await getattr(client, LISTS[what])(), what)

    def next_id(self, client):
        return client._request_id

    async def call(self, client, name, arguments, progress, meta):
        return await client.call_tool(name, arguments, progress_callback=progress, meta=meta)

    async def begin_task(self, client, name, arguments):
        return (await client.experimental.call_tool_as_task(name, arguments)).task

    async def drive_task(self, client, name, arguments):
        task = (await self.begin_task(client, name, arguments)).taskId
        statuses = []
        async for status in client.experimental.poll_task(task):
            statuses.append(status.status)
            if status.status == "input_required":
                break
        if statuses[-1] == "failed":
            return {"statuses": statuses, "failed": status.statusMessage}
        result = await client.experimental.get_task_result(task, types.CallToolResult)
        return {"statuses": statuses, "result": wire(result)}

    async def tasks(self, client):
        return (await client.experimental.list_tasks()).tasks

    async def cancel_task(self, client, task):
        return await client.experimental.cancel_task(task)

    async def abandon(self, client, scope, request_id):
        # This line of the SDK leaves it to its user to say so.
        params = types.CancelledNotificationParams(requestId=request_id, reason="enough")
        await client.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
        scope.cancel()

    async def read(self, client, uri):
        return await client.read_resource(AnyUrl(uri))

    async def subscribe(self, client, uri):
        return await client.subscribe_resource(AnyUrl(uri))

    async def unsubscribe(self, client, uri):
        return await client.unsubscribe_resource(AnyUrl(uri))

    async def complete(self, client, ref, argument):
        return await client.complete(REFERENCES[ref["type"]].model_validate(ref), argument)


asyncio.run(obey(Sdk()))
