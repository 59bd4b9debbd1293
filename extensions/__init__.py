"""Extensions: the hooks, the loader, and one folder for each extension. Only `app.py` (and the tests) import this."""
