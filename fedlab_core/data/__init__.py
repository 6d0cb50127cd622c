"""Data sets by name, their partition over clients, and how unlike the clients are."""
