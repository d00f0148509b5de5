"""PyPI mcp 1.x, unmodified: `ClientSession` opens with initialize, over HTTP and over SSE."""

import asyncio

import httpx
from agent import Memory, Person, read_job, recorder, report, stay
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata


async def main():
    job = read_job()
    http, memory, person, auth, headers = [], None, None, None, {}
    metadata = OAuthClientMetadata(
        client_name="SmartMail AI", redirect_uris=[job["redirectUri"]], token_endpoint_auth_method="none"
    )
    if job.get("bearer"):
        headers["Authorization"] = f"Bearer {job['bearer']}"
    else:
        known = None
        if job.get("clientId"):
            known = OAuthClientInformationFull(
                client_id=job["clientId"], redirect_uris=[job["redirectUri"]], token_endpoint_auth_method="none"
            )
        memory, person = Memory(known), Person(job)

        async def callback():
            query = person.callback()
            return query["code"], query.get("state")

        auth = OAuthClientProvider(
            job["url"], metadata, memory, person.redirect, callback, client_metadata_url=job.get("clientMetadataUrl")
        )

    def factory(headers=None, timeout=None, auth=None):
        client = create_mcp_http_client(headers=headers, timeout=timeout, auth=auth)
        client.event_hooks = recorder(http)
        return client

    if job["transport"] == "sse":
        transport = sse_client(job["url"], headers=headers, httpx_client_factory=factory, auth=auth, timeout=30.0)
        async with transport as (read, write):
            await talk(read, write, memory, person, http, job)
    else:
        async with factory(headers, httpx.Timeout(30.0, read=60.0), auth) as client:
            async with streamable_http_client(job["url"], http_client=client) as (read, write, _):
                await talk(read, write, memory, person, http, job)


async def talk(read, write, memory, person, http, job):
    async with ClientSession(read, write) as session:
        hello = await session.initialize()
        listed = await session.list_tools()
        answer = await session.call_tool("whoami", {})
        stayed = await stay(job, session) if job.get("stay") else None
    report(memory, person, http, listed.tools, answer, hello.protocolVersion, stayed)


asyncio.run(main())
