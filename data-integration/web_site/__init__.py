"""The shop's web site, as far as its traffic goes: the log of page views, and the API that gives it away page by page."""
