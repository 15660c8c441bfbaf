"""`elt`: every verb of the stack. The groups live next to the code that they drive and are imported on first use."""

from __future__ import annotations

import errno
import importlib
import sys
import warnings

import click

from foundation.errors import EltError, in_one_line
from foundation.private import private

# verb → (where its click command lives, one line for --help); in the order of the data's way
COMMANDS = {
    "demo": ("elt.demo:demo", "The whole chain, with live progress and a report."),
    "doctor": ("elt.doctor:doctor", "What is missing on this machine, with the remedy."),
    "up": ("stack.cli:up", "Start the stack, or some of its parts."),
    "down": ("stack.cli:down", "Stop the stack, or some of its parts."),
    "status": ("stack.cli:status", "Show which parts run, on which addresses, and whether they are healthy."),
    "logs": ("stack.cli:logs", "The parts' logs."),
    "source": ("adventureworks.cli:source", "Fill the source database: load, generate."),
    "shop": ("adventureworks.cli:shop", "Let the shop trade: a day, or live."),
    "totesys": ("totesys.cli:totesys", "The second company's database: fill it, let it trade."),
    "airbyte": ("airbyte_config.cli:airbyte", "Connections as code, and their jobs."),
    "posts": ("posts.cli:posts", "Posts about data tools: drop their files, score how they sound."),
    "connectors": ("airbyte_local.connectors:connectors", "Airbyte connectors other than the built-in ones."),
    "lake": ("lake.cli:lake", "The lake: load, compact, replay, publish."),
    "spark": ("spark.cli:spark", "Spark over the lake's tables: run a job, ask a query."),
    "stream": ("streaming.cli:stream", "Events in seconds: topics, lag, payments by card."),
    "sync": ("airbyte_config.cli:sync", "Run one sync job and wait for it."),
    "snowflake": ("elt.snowflake.cli:snowflake", "A Snowflake account: set it up, look it over."),
    "run": ("elt.dagrun:run", "Trigger the DAG and watch its run."),
    "runs": ("orchestration.cli:runs", "The recent runs of the DAGs."),
    "build": ("elt.build:build", "dbt build on the configured target."),
    "publish": ("orchestration.cli:publish", "Show the marts that were built and tested."),
    "backup": ("elt.backup:backup_command", "Copy what can't be built again."),
    "restore": ("elt.backup:restore_command", "Put a backup back."),
    "dashboards": ("dashboards.cli:dashboards", "Dashboards as code: plan, push, pull, drift."),
    "privacy": ("elt.privacy.cli:privacy", "Forget a customer's person; end old rows."),
    "check": ("elt.check:check", "Lint, format, test: what make and CI run."),
    "ci": ("elt.ci.cli:ci", "What the workflows run on a change: dbt slim CI, security, docs."),
    "clean": ("elt.clean:clean", "Forget all local data."),
    "sql": ("elt.sql:sql", "Ask the warehouse, read-only."),
    "completion": ("elt.completion:completion", "Completion of these verbs in your shell."),
}


# what the code cannot help: a disk, a permission, a path that leads nowhere
OUTSIDE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
        *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    }
)


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for (start-up stays short)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="adventureworks-elt", prog_name="elt")
def cli() -> None:
    """AdventureWorks ELT: Postgres → Airbyte → warehouse → dbt → Airflow, whole on one machine."""


def main(argv: list[str] | None = None) -> None:
    """Run `elt`; user errors become one line on stderr and exit code 2."""
    private()
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # of libraries, for those who write code with them
            code = cli.main(args=argv, prog_name="elt", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except EltError as error:
        click.echo(f"elt: {in_one_line(str(error))}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "elt"
        click.echo(f"elt: {in_one_line(error.format_message())} — see '{command} --help'", err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"elt: {in_one_line(error.format_message())}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        click.echo(
            f"elt: {error.filename or 'a file'}: {error.strerror} — check the path, its permissions and the space on its disk",
            err=True,
        )
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("elt: interrupted", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
