"""The WebSocket side of Discord ("Using Gateway"): sessions, and the connections that carry them."""
