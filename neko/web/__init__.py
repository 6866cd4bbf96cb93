"""One listener on one port: the WebSocket routes, the page, health, and REST for characters."""
