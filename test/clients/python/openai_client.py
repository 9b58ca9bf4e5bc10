"""The openai package."""

from functools import partial

from conversations import API_KEY, BASE_URL, MODEL, converse
from openai import OpenAI

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0)
create = client.chat.completions.create
hello = [{"role": "user", "content": "hello"}]

converse(
    partial(create, model=MODEL),
    "the openai package for Python",
    {
        "model": lambda: create(model="gpt-5", messages=hello),
        "field": lambda: create(model=MODEL, messages=hello, n=2),
        "key": lambda: OpenAI(base_url=BASE_URL, api_key="sk-x", max_retries=0).models.list(),
    },
).print()
