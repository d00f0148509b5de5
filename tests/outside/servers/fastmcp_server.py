"""A server on PyPI fastmcp, for `usher agent` to be judged by: `fastmcp_server.py TRANSPORT PORT`."""

import sys
from dataclasses import dataclass
from typing import Literal

from fastmcp import Context, FastMCP

server = FastMCP("fast", instructions="For judging clients.")


@dataclass
class Booking:
    name: str
    seats: int
    seat: Literal["window", "aisle"] = "aisle"


@server.tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool
async def book(context: Context) -> str:
    """Asks whom to book for."""
    answer = await context.elicit("Whom do we book for?", response_type=Booking)
    if answer.action != "accept":
        return answer.action
    return f"{answer.data.seats} {answer.data.seat} seats for {answer.data.name}"


@server.tool
async def count(context: Context, to: int) -> str:
    """Counts, and says how far it is."""
    for step in range(1, to + 1):
        await context.report_progress(step, to, f"step {step}")
        await context.info(f"at {step}")
    return "done"


@server.resource("notes://today")
def today() -> str:
    return "Buy milk"


@server.resource("notes://{day}")
def notes(day: str) -> str:
    return f"Notes of {day}"


@server.prompt
def review(language: str) -> str:
    return f"Review this {language} code"


server.run(transport=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]), show_banner=False)
