"""Replies in the person's language: who is asked, in which order, for how long, and whose answer counts."""
