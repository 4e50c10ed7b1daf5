"""A story as a file: Markdown, HTML for the Archive of Our Own, EPUB 3 or JSON.

`composing` makes a `Manuscript` of the rows of one branch, and one module a format makes a file of it: functions
without a database, a clock or a network. `service` is what reads the rows, asks the model for title, tags and summary,
and keeps what members changed of them.
"""
