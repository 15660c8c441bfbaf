"""A page of its own that shows a board of Superset's to viewers, each the rows of his territory: nginx, and what gives them guest tokens."""
