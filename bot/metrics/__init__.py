"""What the bot counts and times for Prometheus. `events` is what happens, and counts nothing by itself; `prometheus`
counts; `server` is where it is asked for."""
