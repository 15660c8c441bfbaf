"""What one client can't exceed at any of our servers: header, body, time, requests at once, their rate, and wrong passwords.

`http` serves an application with limits on connections and headers, `requests` holds those of each request, `rate` counts calls,
`brake` slows down who guesses. `service` joins them for the services of optional sources.
"""
