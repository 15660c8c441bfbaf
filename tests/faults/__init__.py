"""Histories of faults: processes killed at random moments, and what must hold after each. A tool, outside the gate."""
