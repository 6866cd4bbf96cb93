"""Whole conversations, played by chance against a pretended provider, in memory and in virtual time."""
