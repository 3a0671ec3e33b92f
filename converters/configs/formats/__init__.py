"""One module a configuration format, each with a constant FORMAT; being here is being known."""
