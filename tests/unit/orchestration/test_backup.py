"""What a backup leaves to others."""

from foundation.settings import load_settings
from orchestration.backup import backup


def test_a_metadata_database_that_is_not_here_is_not_ours_to_back_up(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path), "METADATA_HOST": "database.example.invalid"})
    found = []
    folder = backup(config, found.append)
    assert not list(folder.glob("*.dump"))
    assert not [line for line in found if line.startswith("metadata")]
