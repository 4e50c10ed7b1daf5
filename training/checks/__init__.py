"""Whether rows are good: many small pure functions, each of which looks for one kind of flaw.

`row` holds the checks of a chat by itself, `duplicates` those between chats, `quotas` those of a language's
whole set, `catalogue` those of its works; `validation` runs them, `report` writes down what they found.
"""
