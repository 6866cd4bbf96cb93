"""The load generator: many clients and their provider in one process, far cheaper than any server that it measures.

`python -m neko.bench.load` is driven by lines of JSON. Both ends of a server share one clock here, so that what it adds
is a difference of two readings. The sockets are picows on asyncio: with Trio's the load would fill its core before the
server fills the other one.
"""
