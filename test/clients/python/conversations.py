"""What every Python client is asked to do, and the report that the spec reads."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Runs a command in a shell and returns what it prints.",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
            },
        },
    }
]

BASE_URL = os.environ["BASE_URL"]
API_KEY = os.environ["API_KEY"]
MODEL = os.environ["MODEL"]


@dataclass
class Report:
    """What happened, as JSON on standard output."""

    whole: str = ""
    streamed: str = ""
    streamed_completion_tokens: int = 0
    calls: list[str] = field(default_factory=list)
    answer: str = ""
    cached_tokens: int = 0
    errors: list[str] = field(default_factory=list)

    def print(self) -> None:
        json.dump(asdict(self), sys.stdout)


def converse(create: Callable[..., Any], who: str, errors: dict[str, Callable[[], Any]]) -> Report:
    """Carries a plain and a tool conversation by `create`, which takes what the chat completions API takes."""
    report = Report()
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Say something to {who}."}]
    whole = create(messages=messages, max_tokens=60)
    report.whole = whole.choices[0].message.content
    for chunk in create(messages=messages, max_tokens=60, stream=True, stream_options={"include_usage": True}):
        if chunk.choices:
            report.streamed += chunk.choices[0].delta.content or ""
        if getattr(chunk, "usage", None):
            report.streamed_completion_tokens = chunk.usage.completion_tokens

    messages = [{"role": "user", "content": f"Look around for {who}."}]
    while True:
        answer = create(messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        messages.append(message.model_dump(exclude_none=True))
        details = answer.usage.prompt_tokens_details
        report.cached_tokens += (details.cached_tokens or 0) if details else 0
        if not message.tool_calls:
            report.answer = message.content
            break
        for call in message.tool_calls:
            report.calls.append(call.function.name)
            content = f"{call.function.arguments} was run. " + "It printed a line worth reading. " * 4
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})

    for provoke in errors.values():
        try:
            provoke()
            report.errors.append("none")
        except Exception as error:  # its class is what is asked for
            report.errors.append(type(error).__name__)
    return report
