"""`elt stream …`: the lane's topics, who reads them, and who writes them."""

from __future__ import annotations

import json

import click

from foundation.commands import Group, Number
from foundation.errors import EltError
from streaming.environment import answer, ask, become

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
RATE = Number(min=0, min_open=True, max=100_000)
SECONDS = Number(min=0, min_open=True, max=86_400)
FORGETTABLE = ("orders", "page_views")


@click.group(cls=Group)
def stream() -> None:
    """The streaming lane: events through Kafka. docs/stream.md says how it is made."""


@stream.command()
@json_option
def status(as_json: bool) -> None:
    """How many messages each topic has, and how far each consumer group lags behind."""
    found = answer("streaming.status")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"Kafka at {found['brokers']}")
    for topic in found["topics"]:
        click.echo(
            f"{topic['topic']:<30}{topic['messages']:>12,} messages in {topic['partitions']} partitions"
        )
    for group in found["groups"]:
        lag = ", ".join(f"{name} {behind:,}" for name, behind in group["lag"].items()) or "nothing taken yet"
        click.echo(f"group {group['group']:<20}{sum(group['lag'].values()):>12,} behind ({lag})")


@stream.command()
def topics() -> None:
    """Which topics there are, what an event in each is about, and by what it keeps its order."""
    from streaming.catalogue import TOPICS

    for topic in TOPICS.values():
        click.echo(f"{topic.name}: {topic.about}; by {topic.key}, {topic.partitions} partitions")


@stream.command()
@click.option("--rate", type=RATE, default=100, show_default=True, help="Payments in a second.")
@click.option("--seconds", type=SECONDS, default=10, show_default=True, help="For so long.")
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 63) - 1),
    default=7,
    show_default=True,
    help="Of the payments; those of a seed go on where they were.",
)
def produce(rate: float, seconds: float, seed: int) -> None:
    """Make payments by card, beside those that the stack makes (they have STREAM_SEED): the same again for the same seed."""
    become("streaming.producer", "cards", str(seed), str(rate), str(seconds))


@stream.command()
@click.argument("producer", type=click.Choice(FORGETTABLE))
def forget(producer: str) -> None:
    """Let PRODUCER begin anew, where it can't go on: what happened meanwhile is in no event."""
    ask_ = ask("streaming.producer", "forget", producer)
    if ask_.returncode:
        raise EltError(ask_.stderr.strip().partition(": ")[2])
    click.echo(f"{producer}: begins anew")


@stream.command()
def viewers() -> None:
    """Who may look at the embedded page, with password and territory. Not for a log."""
    from foundation.settings import settings
    from streaming.page.viewers import viewers as known

    config = settings()
    click.echo(f"http://127.0.0.1:{config.stream_page_port}")
    for viewer in known(config).values():
        sees = "all territories" if viewer.territory is None else f"territory {viewer.territory}"
        click.echo(f"{viewer.name:<16}{viewer.password}  {sees}")


@stream.command()
@click.option("--select", default="", help="Only these models, as dbt selects them.")
def build(select: str) -> None:
    """Build the lane's marts in ClickHouse by dbt, and test them."""
    from foundation.settings import settings
    from streaming import marts

    marts.build(settings(), ["--select", select] if select else [])


@stream.command()
@json_option
def train(as_json: bool) -> None:
    """Train a model of fraud on the payments that ClickHouse has. It scores from now on if it is better on the held-out days."""
    from foundation.settings import settings
    from streaming import training

    record = training.train(settings())
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    click.echo(f"model {record['version']}: {record['payments']:,} payments, {record['frauds']:,} frauds")
    for name, figures in record["metrics"].items():
        shown = ", ".join(f"{figure} {value:.3f}" for figure, value in figures.items())
        click.echo(f"{name:<10}{shown} on {', '.join(record['held_out_days'])}")
    click.echo("promoted" if record["promoted"] else "not promoted: it is not better")


@stream.command()
@json_option
def drift(as_json: bool) -> None:
    """Whether the payments of the last day look as those did from which the model learned. Exit code 1: they do not."""
    from streaming import training

    found = training.drift()
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(
            f"model {found['model_version'] or 'none'}: {found['payments']:,} payments of the last day"
        )
        for name, index in found["psi"].items():
            click.echo(f"{name:<20}{index:.3f}")
    training.unless_drifted(found)


@stream.command()
@json_option
def reconcile(as_json: bool) -> None:
    """Compare the lane's tables with those that the load has brought into the warehouse. Exit code 1: they disagree."""
    from dataclasses import asdict

    from foundation.settings import settings
    from streaming import reconciliation

    found = reconciliation.reconcile(settings())
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        click.echo(
            f"{one.topic:<30}{one.messages:>12,} messages agree, {one.left_out:,} left out by both,"
            f" {one.apart:,} that the lane can't hold, {one.ahead:,} on one side so far"
        )
