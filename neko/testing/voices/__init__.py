"""Loopback servers that speak as the vendors of voices do, and misbehave on request."""
