"""The command line's table of contents: every group and command, in the order of the flow."""

from __future__ import annotations

import importlib

import typer

app = typer.Typer(
    name="workbench",
    help="From a partner's delivery of photographs to a verified dataset release.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Modules that register their commands on `app` through ``register(app)``, in the order ``--help`` lists them.
_MODULES = (
    "workspace",
    "custody",
    "ledger",
    "receipts",
    "originals",
    "intake",
    "redaction",
    "protocol",
    "servers",
    "labelling",
    "adjudication",
    "curation",
    "synthesis",
    "catalogue",
    "catalogue_add",
    "synthesis_jobs",
    "synthesis_export",
    "augmentation",
    "composition",
    "release",
    "release_verify",
    "release_compare",
    "release_handover",
    "release_reproduce",
    "remote",
    "reference",
    "demo",
)

for _module in _MODULES:
    importlib.import_module(f"workbench.cli.{_module}").register(app)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
