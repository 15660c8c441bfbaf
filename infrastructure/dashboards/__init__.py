"""Dashboards as code: the files of `infrastructure/preset`, and the Superset or Preset workspace that shows them."""

from foundation.settings import ROOT

FOLDER = ROOT / "infrastructure" / "preset"
OWNER = (
    "AdventureWorks analytics"  # who certifies what these files define: so it is told from what others made
)
DETAILS = "Defined in infrastructure/preset"
