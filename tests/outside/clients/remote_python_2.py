"""PyPI mcp 2.x, unmodified, remote-controlled."""

import asyncio

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import PromptsListChanged, ResourcesListChanged, ResourceUpdated, ToolsListChanged
from mcp.shared._httpx_utils import create_mcp_http_client
from remote import event, obey, recorded, told, wire

RESULTS = {"elicitation/create": types.ElicitResult, "roots/list": types.ListRootsResult, "sampling/createMessage": types.CreateMessageResult}
REFERENCES = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}
LISTS = {"tools": "tools", "prompts": "prompts", "resources": "resources", "resourceTemplates": "resource_templates"}
MODERN = "2026-07-28"
CHANGES = {ToolsListChanged: "tools", PromptsListChanged: "prompts", ResourcesListChanged: "resources"}


class Sdk:
    async def open(self, stack, job):
        headers = {"Authorization": f"Bearer {job['bearer']}"}

        def factory(headers=None, timeout=None, auth=None):
            client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
            client.event_hooks = recorded()
            return client

        if job["transport"] == "sse":
            transport = sse_client(job["url"], headers=headers, httpx_client_factory=factory, timeout=30.0)
        else:
            client = await stack.enter_async_context(factory(headers, httpx2.Timeout(30.0, read=60.0)))
            transport = streamable_http_client(job["url"], http_client=client)

        def answering(method):
            async def answer(_context, params=None):
                event("asked", method=method, params=wire(params) if params else {})
                return RESULTS[method].model_validate(job["answers"][method])

            return answer if method in job.get("answers", {}) else None

        async def handler(message):
            told(message)

        return await stack.enter_async_context(
            Client(
                transport,
                # Over SSE it negotiates as it does by itself, and lands on the handshake.
                mode="auto" if job["version"] == MODERN or job["transport"] == "sse" else "legacy",
                sampling_callback=answering("sampling/createMessage"),
                elicitation_callback=answering("elicitation/create"),
                list_roots_callback=answering("roots/list"),
                message_handler=handler,
            )
        )

    def hello(self, client):
        return {"version": client.protocol_version, "capabilities": wire(client.server_capabilities), "info": wire(client.server_info)}

    async def list(self, client, what):
        return getattr(await getattr(client, f"list_{LISTS[what]}")(), LISTS[what])

    def next_id(self, _client):
        return None

    async def call(self, client, name, arguments, progress, meta):
        return await client.call_tool(name, arguments, progress_callback=progress, meta=meta)

    async def abandon(self, _client, scope, _request_id):
        scope.cancel()

    async def read(self, client, uri):
        return await client.read_resource(uri)

    async def subscribe(self, client, uri):
        return await client.subscribe_resource(uri)

    async def unsubscribe(self, client, uri):
        return await client.unsubscribe_resource(uri)

    async def complete(self, client, ref, argument):
        return await client.complete(REFERENCES[ref["type"]].model_validate(ref), argument)

    def listen(self, client, wanted):
        return client.listen(
            tools_list_changed=wanted.get("toolsListChanged", False),
            prompts_list_changed=wanted.get("promptsListChanged", False),
            resources_list_changed=wanted.get("resourcesListChanged", False),
            resource_subscriptions=wanted.get("resourceSubscriptions", ()),
        )

    def change(self, change):
        if isinstance(change, ResourceUpdated):
            return {"method": "notifications/resources/updated", "params": {"uri": change.uri}}
        return {"method": f"notifications/{CHANGES[type(change)]}/list_changed", "params": {}}


asyncio.run(obey(Sdk()))
