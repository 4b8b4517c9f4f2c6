"""What clients rely on: the OpenAPI documents, how they may change, and what `changes.md` says about it."""
