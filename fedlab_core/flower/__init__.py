"""The same experiment on Flower: other processes, other machines. Needs the extra `flower`.

A node runs clients as the engine does (`client_app.py`), the server does rounds as the engine does (`strategy.py`), and
what travels between them are the engine's own encoded messages (`messages.py`): the same strategies, bytes and store.
"""
