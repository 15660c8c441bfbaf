"""Dashboards as code: the files of `infrastructure/preset`, and the Superset or Preset workspace that shows them."""

from foundation.settings import ROOT

FOLDER = ROOT / "infrastructure" / "preset"
OWNER = (
    "AdventureWorks analytics"  # certifies what these files define: that sets it apart from what others made
)
DETAILS = "Defined in infrastructure/preset"
