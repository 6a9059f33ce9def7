"""Label Studio under gunicorn, for teams: ``python serve.py PORT WORKERS THREADS``, run by the server's own interpreter.

``label-studio start`` runs Django's development server. Here the same application is made ready as that command does it (its
database brought up to date, the first user made), loaded once, and served by several processes. Everything secret comes in
the environment. The names taken from ``label_studio.server`` are private there: its version is pinned, and a test runs this.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any


def main() -> None:
    """Make the database ready and serve until told to stop."""
    port, workers, threads = (int(argument) for argument in sys.argv[1:4])
    from label_studio import server

    server._setup_env()  # noqa: SLF001 -- see above
    server._apply_database_migrations()  # noqa: SLF001 -- see above
    _ensure_first_user(server)
    from django.core.wsgi import get_wsgi_application
    from django.db import connections

    application = get_wsgi_application()
    connections.close_all()  # a connection opened here would be shared by every process forked from this one
    _serve(application, port=port, workers=workers, threads=threads)


def _ensure_first_user(server: Any) -> None:
    """Make the first user, or give an existing one the password and token of this workspace's credentials.json."""
    known = {name: os.environ[f"LABEL_STUDIO_{name}"] for name in ("USERNAME", "PASSWORD", "USER_TOKEN")}
    asked = SimpleNamespace(
        username=known["USERNAME"],
        password=known["PASSWORD"],
        user_token=known["USER_TOKEN"],
        quiet_mode=True,
        enable_legacy_api_token=True,
    )
    from users.models import User

    if not User.objects.filter(email=known["USERNAME"]).exists():
        server._create_user(asked, {})  # noqa: SLF001 -- see above
    user = User.objects.get(email=known["USERNAME"])
    from rest_framework.authtoken.models import Token

    Token.objects.filter(user=user).exclude(key=known["USER_TOKEN"]).update(key=known["USER_TOKEN"])
    if not user.check_password(known["PASSWORD"]):
        user.set_password(known["PASSWORD"])
        user.save()


def _serve(application: Any, *, port: int, workers: int, threads: int) -> None:
    from gunicorn.app.base import BaseApplication

    settings = {
        "bind": f"127.0.0.1:{port}",
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",
        "preload_app": True,
        "timeout": 300,  # exporting a large project takes minutes
        "graceful_timeout": 10,
        "errorlog": "-",
        "accesslog": None,  # addresses may carry tokens
        "control_socket_disable": True,  # its path may be too long, and nobody asks it
        "proc_name": "label-studio",
    }

    class Served(BaseApplication):  # type: ignore[misc]
        """The loaded application with the settings above."""

        def load_config(self) -> None:
            """Set what is set above, and leave the rest."""
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            """Return the application."""
            return application

    Served().run()


if __name__ == "__main__":
    main()
