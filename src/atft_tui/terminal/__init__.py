"""Between Textual and the terminal: what is sent, how much of it, and when there is nobody left."""
