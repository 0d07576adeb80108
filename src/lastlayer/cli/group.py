"""The verbs under one name, each imported when it is used."""

from __future__ import annotations

import difflib
import importlib

import click

from lastlayer import __version__
from lastlayer.cli import VERBS


class LazyGroup(click.Group):
    """A group whose help costs no verb's imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, in the order a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The ``command`` of the verb's own file."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"lastlayer.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown verb is answered with the nearest one."""
        verb = args[0]
        if verb not in VERBS and not verb.startswith("-"):
            near = difflib.get_close_matches(verb, VERBS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(VERBS)}"
            raise click.UsageError(f"no verb {verb!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs, from what is known without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="VERB [OPTIONS]...",
    epilog="Start with 'lastlayer demo'. 'lastlayer VERB --help' tells more about each.",
)
@click.version_option(__version__, prog_name="lastlayer", message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context) -> None:
    """The last layer of every classifier: softmax and cross-entropy.

    A classifier's last layer turns raw outputs (logits) into probabilities with softmax;
    cross-entropy is −log of the probability that the right class was given, in nats, and its
    gradient trains the classifier.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
