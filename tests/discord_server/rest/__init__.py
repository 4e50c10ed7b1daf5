"""The HTTP side of Discord, API v10: routes, rate limits, faults and the record of every request."""
