"""What the parts of the stack do, as metrics of Prometheus.

`catalogue` has every metric, `looks` asks the parts when somebody scrapes, `api` serves. The other modules each know one part.
"""
