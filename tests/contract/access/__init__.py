"""Who may do what: the callers, the rules that say what each is answered, and what no rule can tell."""
