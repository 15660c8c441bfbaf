"""Any connector that speaks the Airbyte protocol, a program of its own in an environment of its own.

`registry` says which there are, `environment` installs them, `process` runs their commands and hears them, `messages` tells
records from the rest, `types` and `rows` make typed columns of JSON, `specification` checks configurations; `source` joins
them.
"""
