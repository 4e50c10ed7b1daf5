"""Bringing in chats and works from elsewhere.

`reading` turns files and datasets of the Hub into rows, `shapes` finds the talk in a row by its columns, `markup`
reads talks that are one string with special tokens, `chats` makes rows of this dataset of them; `works` and
`languages` read the tables of the article's repository.
"""
