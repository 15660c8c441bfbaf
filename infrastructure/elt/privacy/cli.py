"""`elt privacy …`"""

from __future__ import annotations

import click

from elt.confirm import confirmed, yes_option
from foundation.commands import Group
from foundation.settings import settings


@click.group(cls=Group)
def privacy() -> None:
    """Personal data: take a person's out of everything; keep rows no longer than a rule says."""


@privacy.command("erase")
@click.option(
    "--customer",
    type=click.IntRange(1, (1 << 31) - 1),
    required=True,
    help="The source's number of the customer.",
)
@yes_option
@click.option("--json", "as_json", is_flag=True, help="The protocol as JSON.")
@click.option("--dry-run", is_flag=True, help="Only say how many rows of which tables would change.")
def erase_command(customer: int, yes: bool, as_json: bool, dry_run: bool) -> None:
    """Forget the person behind a customer: in the source, raw, snapshots, marts and every published version.

    Orders and amounts stay; nothing tells any more who it was. There is no way back. The protocol, without personal data, is
    ELT_HOME/privacy/customer-ID.json. Killed in the middle, it goes on where it was when it is called again.
    """
    from elt.privacy.erase import erase, would_erase

    if dry_run:
        if as_json:
            raise click.UsageError("--json is the protocol, which --dry-run does not write")
        would_erase(settings(), customer, click.echo)
        return
    confirmed(f"Forget the person behind customer {customer} for good?", yes)
    protocol = erase(settings(), customer, (lambda line: None) if as_json else click.echo)
    if as_json:
        click.echo(protocol.path.read_text(), nl=False)
    else:
        click.echo(f"customer {customer}: {protocol.runs[-1].rows:,} rows; protocol: {protocol.path}")


@privacy.command("retention")
@yes_option
@click.option("--dry-run", is_flag=True, help="Only say how many rows of which tables would go.")
def retention_command(yes: bool, dry_run: bool) -> None:
    """Delete the rows that are older than data-orchestration/retention.yml lets them be, as every night does.

    The marts follow at their next build.
    """
    from orchestration import retention

    by = retention.rules()
    if dry_run:
        found = retention.overdue(settings(), by)
    else:
        confirmed("Delete the rows past their retention for good?", yes)
        found = retention.remove(settings(), by)
    for rule in by:
        rows = f"{found[rule]:,}" if rule in found else "none, the table is not there"
        click.echo(f"{rule.table}: rows whose {rule.column} is more than {rule.days:,} days ago: {rows}")
    click.echo("nothing was changed" if dry_run else "deleted; the marts follow at their next build")
