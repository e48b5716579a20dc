"""One module per study, each read like the method section of its paper."""
