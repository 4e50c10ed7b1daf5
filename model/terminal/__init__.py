"""A chat in the terminal with a worker: `python -m model chat`.

`story` is the conversation and its prompt, `archive` keeps it, `worker` reaches who writes,
`answering` has one answer written, `screen` shows it with its lines wrapped by `wrapping`,
`keyboard` is what is typed into, `commands` are the lines that begin with a slash, and `session` is the whole.
"""
