"""The OpenAI Realtime wire protocol as its server sees it, GA event names.

Source: OpenAI's Realtime API reference, client and server events, as of November 2026.
"""
