"""PyPI fastmcp's `Client`, unmodified, with its own OAuth; only its browser is our person."""

import asyncio
import json
import sys
import webbrowser
from urllib.parse import parse_qs, urlsplit

import httpx2
from agent import Person, read_job
from fastmcp import Client
from fastmcp.client.auth import OAuth
from fastmcp.client.transports import SSETransport, StreamableHttpTransport


async def main():
    job = read_job()
    person = Person(job)

    def browse(url):
        asyncio.get_running_loop().create_task(visit(person, url))

    webbrowser.open = browse
    port = urlsplit(job["redirectUri"]).port
    auth = OAuth(client_name="SmartMail AI", callback_port=port)
    kind = SSETransport if job["transport"] == "sse" else StreamableHttpTransport
    async with Client(kind(job["url"], auth=auth)) as client:
        tools = await client.list_tools()
        answer = await client.call_tool_mcp("whoami", {})
    result = {
        "tools": [tool.name for tool in tools],
        "answer": answer.model_dump(mode="json", by_alias=True, exclude_none=True),
        "walk": person.walk,
        "authorize": person.authorize,
    }
    print(json.dumps({"result": result}), flush=True)


async def visit(person, url):
    """Walks the link, and hands the callback to the client's own listener, as a browser would."""
    person.job["redirectUri"] = parse_qs(urlsplit(url).query)["redirect_uri"][0]
    await person.redirect(url)
    for _ in range(50):
        try:
            async with httpx2.AsyncClient() as browser:
                await browser.get(person.walk["callback"])
            return
        except httpx2.ConnectError:
            await asyncio.sleep(0.1)
    print("nobody listened for the callback", file=sys.stderr)


asyncio.run(main())
