"""Bring Superset's database to this version: tables, roles, users, and the assets of a bundle.

`python prepare.py BUNDLE.zip`, in Superset's own environment (`stack.superset` starts it). One process for what would be
four of Superset's commands, each with its seconds of start-up; and no password is on a command line. Safe to repeat.
"""

import json
import os
import sys
from pathlib import Path
from uuid import UUID
from zipfile import ZipFile

from superset.app import create_app

ANALYST, GUEST = "Analyst", "Guest"

# The rights of a reader of dashboards, and no more: nothing here writes, lists databases or users, or takes SQL.
MAY = {
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),
    ("can_read", "CssTemplate"),
    ("can_read", "Theme"),
    ("can_read", "CurrentUserRestApi"),
    ("can_dashboard", "Superset"),
    ("can_slice", "Superset"),
    ("can_explore_json", "Superset"),
    ("can_csv", "Superset"),
    ("can_time_range", "Api"),
    ("can_query", "Api"),
    ("can_query_form_data", "Api"),
    ("menu_access", "Dashboards"),
    # filters, and links that carry them
    ("can_read", "DashboardFilterStateRestApi"),
    ("can_write", "DashboardFilterStateRestApi"),
    ("can_read", "DashboardPermalinkRestApi"),
    ("can_write", "DashboardPermalinkRestApi"),
    # from a category to its products, from a bar to its rows
    ("can_drill", "Dashboard"),
    ("can_write", "ExploreFormDataRestApi"),  # "Drill by" keeps there what is chosen; no chart is written
    ("can_read", "ExploreFormDataRestApi"),
    ("can_view_chart_as_table", "Dashboard"),
    ("can_get_drill_info", "Dataset"),
    ("can_samples", "Datasource"),
    # "Share": a link to what one sees
    ("can_share_dashboard", "Superset"),
    ("can_share_chart", "Superset"),
    # each page reports what it did, and the plain home asks for it; nothing of it is kept (superset_config.py)
    ("can_log", "Superset"),
    ("can_recent_activity", "Log"),
}


# Of a guest with a token, on the one board that the token names.
GUEST_MAY = {
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),
    ("can_read", "CurrentUserRestApi"),
}


def migrate() -> None:
    """Superset's tables as this version wants them."""
    import superset
    from flask_migrate import upgrade

    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))


def set_user(name: str, password: str, role: str) -> None:
    """A login with exactly one role."""
    from superset import security_manager

    chosen = security_manager.find_role(role)
    user = security_manager.find_user(username=name)
    if user is None:
        user = security_manager.add_user(name, name.capitalize(), "", f"{name}@localhost", chosen, password)
        if not user:
            sys.exit(f"Superset did not create the user {name}: see the lines above")
    else:
        user.roles = [chosen]
        user.active = True
        security_manager.reset_password(user.id, password)


def import_assets(bundle: str) -> None:
    """The databases, datasets, charts and dashboards of a bundle, over those that are there."""
    from superset import security_manager
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.commands.importers.v1.utils import get_contents_from_bundle
    from superset.utils.core import override_user

    with ZipFile(bundle) as archive:
        contents = get_contents_from_bundle(archive)
    with override_user(security_manager.find_user(os.environ["SUPERSET_ADMIN_USER"])):
        ImportAssetsCommand(contents).run()


def set_analyst_role() -> None:
    """The analyst's rights: MAY, and the data of every database that the assets define."""
    from superset import db, security_manager
    from superset.models.core import Database

    role = security_manager.add_role(ANALYST)
    wanted = [security_manager.add_permission_view_menu(*pair) for pair in sorted(MAY)]
    for database in db.session.query(Database):
        wanted.append(security_manager.add_permission_view_menu("database_access", database.perm))
    role.permissions = wanted
    db.session.commit()


def set_embedded(wanted: dict) -> None:
    """A guest's rights, and the one board that is for guests; none where nothing is wanted."""
    from superset import db, security_manager
    from superset.models.dashboard import Dashboard
    from superset.models.embedded_dashboard import EmbeddedDashboard

    role = security_manager.add_role(GUEST)
    role.permissions = [security_manager.add_permission_view_menu(*pair) for pair in sorted(GUEST_MAY)]
    for known in db.session.query(EmbeddedDashboard):
        if str(known.uuid) == wanted.get("uuid") or not wanted:
            db.session.delete(known)
    db.session.flush()
    if wanted:
        board = db.session.query(Dashboard).filter_by(slug=wanted["slug"]).one()
        origins = ",".join(wanted["origins"])
        db.session.add(
            EmbeddedDashboard(uuid=UUID(wanted["uuid"]), allow_domain_list=origins, dashboard_id=board.id)
        )
    db.session.commit()


def main(bundle: str) -> None:
    """All of it, in the order in which each needs the one before."""
    app = create_app()
    with app.app_context():
        from superset import appbuilder, db, security_manager

        migrate()
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        db.session.commit()
        set_user(os.environ["SUPERSET_ADMIN_USER"], os.environ["SUPERSET_ADMIN_PASSWORD"], "Admin")
        import_assets(bundle)
        set_analyst_role()
        set_embedded(json.loads(os.environ["SUPERSET_EMBEDDED"] or "{}"))
        set_user(os.environ["SUPERSET_ANALYST_USER"], os.environ["SUPERSET_ANALYST_PASSWORD"], ANALYST)
        db.session.commit()


if __name__ == "__main__":
    main(sys.argv[1])
