"""The worker's HTTP side: OpenAI's chat API over whatever engine it is given.

`app` puts it together, `protocol` has the requests, `chat` the answers, `errors` their failures, `run` the
process.
"""
