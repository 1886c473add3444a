"""The fleet page: read-only HTML for people, made on the server.

No script, nothing from elsewhere: it works without the internet, and nothing that users
name can act in a reader's browser.
"""
