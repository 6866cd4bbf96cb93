"""Model sessions: one interface, one adapter per kind of transport, one pure dialect per provider."""
