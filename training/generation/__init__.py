"""Makes chats with a language model: properties, questions, answers, and what Wikipedia says about the works.

    plan         what each chat is to be (task, register, look-up), drawn by a seed; no I/O
    requests     one question to the model: messages, the form of its reply, and how the reply is read
    prompts/     the named sets of such requests: `spec` (ours) and `article`
    writer       the story of one chat, from its first question to its last answer
    asking       one call: limiter, budget, journal, retries; `dialect` is how the server wants to be asked
    journal      what was paid for, line by line, so that a killed run goes on and pays nothing twice
    background   Wikipedia, or the bundled notes
    run          puts it together; `outcome`, `report` and `progress` say what became of it

Nothing here knows whether a chat is good beyond its form and language: that is `training.checks`.
"""
