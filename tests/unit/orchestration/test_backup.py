"""What a backup leaves to others."""

from datetime import UTC, datetime, timedelta

from foundation.settings import load_settings
from orchestration.backup import STAMP, backup, backup_lacks


def test_a_metadata_database_that_is_not_here_is_not_ours_to_back_up(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path), "METADATA_HOST": "database.example.invalid"})
    found = []
    folder = backup(config, found.append)
    assert not list(folder.glob("*.dump"))
    assert not [line for line in found if line.startswith("metadata")]


def test_there_should_be_a_backup_of_the_last_two_days_as_soon_as_there_is_something_to_lose(tmp_path):
    config = load_settings({"ELT_HOME": str(tmp_path)})
    assert backup_lacks(config) == ""
    config.warehouse_path.touch()
    assert backup_lacks(config) == "there is no backup"

    def made(**ago):
        name = (datetime.now(UTC) - timedelta(**ago)).strftime(STAMP)
        (config.home / "backups" / name).mkdir(parents=True)

    made(days=9)
    made(days=3, hours=1)
    assert backup_lacks(config) == "the newest backup is 3 days old"
    made(days=1, hours=23)
    assert backup_lacks(config) == ""
