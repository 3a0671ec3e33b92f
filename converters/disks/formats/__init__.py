"""One module a disk format, each with a constant FORMAT; being here is being known."""
