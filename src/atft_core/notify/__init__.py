"""How alerts reach a person: the terminal, a command of theirs, webhooks. Standard library only."""
