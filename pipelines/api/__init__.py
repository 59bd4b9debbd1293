"""AUTOMATIC1111's REST API over this studio: their bodies become requests, what was painted becomes their answers.

`bodies.py` reads, `answers.py` and `lists.py` write, `routes.py` puts both on addresses. It knows the studio and Starlette,
neither the page nor who may come in: `tabs.guard` stands before it.
"""
