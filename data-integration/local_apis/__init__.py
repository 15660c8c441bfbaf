"""The services of optional sources, as far as one machine needs them: exchange rates and weather, behind HTTP APIs that have bad days."""
