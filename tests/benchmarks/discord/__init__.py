"""The bot under load: many threads at once, against a fake worker, on a Discord of the tests' own.

`play` starts the processes and plays the members, `worker` is the fake worker, `measured` makes figures of what the
Discord and the worker recorded, `llmcord` says what another bot's rule would have shown of the same answers.
"""
