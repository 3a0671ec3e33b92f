"""One module a place a machine can go, each with a constant TARGET; being here is being known."""
