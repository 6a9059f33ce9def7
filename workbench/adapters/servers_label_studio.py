"""The Label Studio server: where its program is, its database made ready, and the settings it starts with."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from workbench.adapters.postgres import Database
from workbench.adapters.servers_process import ADDRESS, Plan, plain_environment
from workbench.domain.findings import busy, refused
from workbench.layout import Layout

#: The first user; nothing is ever sent to this address (.test is reserved, RFC 2606).
EMAIL = "admin@workbench.test"

_DATABASE = "label_studio.sqlite3"
_SERVE = Path(__file__).with_name("label_studio_gunicorn") / "serve.py"
#: Threads of each process of a team's server; with two processes, eight requests at a time.
_THREADS = 4
_MIGRATE_S = 600

#: What both making the template and serving need said (each with the prefix LABEL_STUDIO_).
_QUIET = {"COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}


def label_studio_program() -> Path:
    """Return the ``label-studio`` program of its own environment.

    Raises
    ------
    Refused
        ``servers.label-studio-missing`` if it is not installed.

    """
    named = os.environ.get("WORKBENCH_LABEL_STUDIO_BIN")
    program = Path(named) if named else Path(sys.prefix).parent / ".venv-ls" / "bin" / "label-studio"
    if not os.access(program, os.X_OK) or program.is_dir():
        raise refused(
            "servers.label-studio-missing",
            program,
            "is not there, so Label Studio cannot be started.",
            "Run `make install`, or name the program in WORKBENCH_LABEL_STUDIO_BIN.",
        )
    return program


def plan_label_studio(layout: Layout, port: int, *, database: Database | None = None, workers: int = 2) -> Plan:
    """Make the server's folder, database and credentials where they are missing; return how to start it.

    Parameters
    ----------
    database
        A PostgreSQL database, which a team's server runs on; without one it is SQLite, for one labeller.
    workers
        How many processes serve a team.

    """
    program = label_studio_program()
    folder = layout.state / "label-studio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    layout.intake.mkdir(parents=True, exist_ok=True)  # Label Studio refuses a document root that is not there
    if database is None and not sqlite_path(layout).exists():
        partial = folder / f"{_DATABASE}.partial"
        shutil.copyfile(_template(program), partial)
        partial.chmod(0o600)
        os.replace(partial, folder / _DATABASE)
    known = credentials(layout)
    settings = {
        **_QUIET,
        "BASE_DATA_DIR": str(folder),
        "USERNAME": known["email"],
        "PASSWORD": known["password"],
        "USER_TOKEN": known["token"],
        "ENABLE_LEGACY_API_TOKEN": "true",
        "DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(layout.intake),
        "CONVERTER_DOWNLOAD_RESOURCES": "false",
        "SVG_SECURITY_CLEANUP": "true",
    }
    return Plan(
        name="label-studio",
        command=_command(program, port, workers=workers if database else None),
        environment={
            **_environment(folder, settings),
            **(database.environment() if database else {}),
            "SECRET_KEY": known["secret_key"],  # the one setting that it reads without the prefix
        },
        folder=folder,
        port=port,
        log=layout.state / "logs" / "label-studio.log",
    )


def _command(program: Path, port: int, *, workers: int | None) -> list[str]:
    """Return Django's own server for SQLite, which one process must have to itself; else gunicorn with so many."""
    if workers is None:
        return [str(program), "start", "--no-browser", "--internal-host", ADDRESS, "--port", str(port)]
    # The interpreter beside the program, by its link: its environment is found through the link and not the file.
    return [str(program.parent / "python"), str(_SERVE), str(port), str(workers), str(_THREADS)]


def sqlite_path(layout: Layout) -> Path:
    """Return where Label Studio's SQLite database of a workspace lies, or would lie."""
    return layout.state / "label-studio" / _DATABASE


def prepare_database(layout: Layout, database: Database) -> None:
    """Bring a PostgreSQL database to this version's tables; a minute where it is empty.

    Raises
    ------
    Busy
        ``servers.not-ready`` if that fails.

    """
    program = label_studio_program()
    folder = layout.state / "label-studio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = {**_QUIET, "BASE_DATA_DIR": str(folder)}
    _make_ready(program, folder, {**_environment(folder, settings), **database.environment()})


def credentials(layout: Layout) -> dict[str, str]:
    """Return the first user's e-mail, password and token and the server's secret key; made once, file mode 0600.

    Raises
    ------
    Refused
        ``servers.credentials-damaged`` if the file is there but cannot be read.

    """
    path = layout.state / "credentials.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(document["label_studio"][key]) for key in ("email", "password", "token", "secret_key")}
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        raise refused(
            "servers.credentials-damaged",
            path,
            f"cannot be read ({error}).",
            "Restore it; or remove it and the label-studio folder beside it, once its answers are pulled.",
        ) from error
    made = {
        "email": EMAIL,
        "password": secrets.token_urlsafe(15),
        "token": secrets.token_hex(20),
        "secret_key": secrets.token_urlsafe(50),
    }
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump({"label_studio": made}, out, indent=2)
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, path)
    return made


def _template(program: Path) -> Path:
    """Return an empty, migrated database of this version: 396 migrations take a minute, once a machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evidence-workbench"
    made = cache / f"label-studio-{_version(program)}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{made.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made / _DATABASE).exists():
            shutil.rmtree(made, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as folder:
                _migrate(program, Path(folder))
                (Path(folder) / "template").mkdir()
                os.replace(Path(folder) / _DATABASE, Path(folder) / "template" / _DATABASE)
                os.replace(Path(folder) / "template", made)
    return made / _DATABASE


def _migrate(program: Path, folder: Path) -> None:
    _make_ready(program, folder, _environment(folder, {**_QUIET, "BASE_DATA_DIR": str(folder)}))
    if not (folder / _DATABASE).exists():
        raise _not_made("it left no file")


def _make_ready(program: Path, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [str(program), "version"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_MIGRATE_S,
        check=False,
    )
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise _not_made(words[-1] if words else f"it ended with {done.returncode}")


def _not_made(why: str) -> Exception:
    return busy(
        "servers.not-ready",
        "Label Studio's database",
        f"could not be made ({why}).",
        "Run `label-studio version` by itself to see more.",
    )


def _version(program: Path) -> str:
    """Return the installed version, from its metadata's folder name: asking the program takes seconds."""
    pattern = "lib/python3*/site-packages/label_studio-*.dist-info"
    found = sorted(program.resolve().parent.parent.glob(pattern)) or sorted(program.parent.parent.glob(pattern))
    return found[-1].name.removeprefix("label_studio-").removesuffix(".dist-info") if found else "unknown"


def _environment(home: Path, settings: dict[str, str]) -> dict[str, str]:
    return {**plain_environment(home), **{f"LABEL_STUDIO_{key}": value for key, value in settings.items()}}
