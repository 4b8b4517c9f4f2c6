"""For each operation a call that succeeds and one that is refused; a module a topic."""
