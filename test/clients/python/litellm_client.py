"""litellm, as its documentation says to call a server of the OpenAI API."""

from functools import partial

import litellm
from conversations import API_KEY, BASE_URL, MODEL, converse

create = partial(litellm.completion, api_base=BASE_URL, num_retries=0)
named = f"openai/{MODEL}"
hello = [{"role": "user", "content": "hello"}]

converse(
    partial(create, model=named, api_key=API_KEY),
    "litellm",
    {
        "model": lambda: create(model="openai/gpt-5", api_key=API_KEY, messages=hello),
        "context": lambda: create(
            model=named, api_key=API_KEY, messages=[{"role": "user", "content": "x" * 40_000}]
        ),
        "key": lambda: create(model=named, api_key="sk-x", messages=hello),
    },
).print()
