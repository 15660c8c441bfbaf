"""What the workflows run: `elt ci …`, the same on a laptop. Nothing here needs a credential."""
