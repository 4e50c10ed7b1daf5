"""A real MediaWiki from Debian's packages, in two languages, for one test run.

Nothing is copied or changed outside the folder it is given: the installed code is run with settings and
SQLite databases of its own, behind PHP's own web server.
"""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

CODE = Path("/usr/share/mediawiki")
_MODULES = ("intl", "mbstring", "pdo_sqlite", "xml")
_SETTINGS = """
wfLoadExtension( 'TextExtracts', '{code}/extensions-core/TextExtracts/extension.json' );
wfLoadExtension( 'PageImages', '{code}/extensions-core/PageImages/extension.json' );
$wgCacheDirectory = false;
$wgMainCacheType = CACHE_NONE;
"""
# The language is the first part of the path, as it is the first part of the host on Wikipedia.
_ROUTER = """<?php
if ( !preg_match( '#^/([a-z]+)/api[.]php#', $_SERVER['REQUEST_URI'], $match ) ) { http_response_code( 404 );
exit; } define( 'MW_CONFIG_FILE', __DIR__ . '/' . $match[1] . '/LocalSettings.php' );
$_SERVER['SCRIPT_NAME'] = '/' . $match[1] . '/api.php';
$_SERVER['SCRIPT_FILENAME'] = '%(code)s/api.php';
chdir( '%(code)s' );
require '%(code)s/api.php';
"""


def missing() -> str | None:
    """What is not installed, or None."""
    if not (CODE / "api.php").is_file():
        return "Debian's mediawiki is not installed"
    if shutil.which("php") is None:
        return "php-cli is not installed"
    loaded = subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.split()
    lacking = [module for module in _MODULES if module not in loaded]
    return f"PHP lacks {', '.join(lacking)}" if lacking else None


@contextmanager
def serve(folder: Path, wikis: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Serve wikis, given as language → title → wikitext; yields the URL template of their APIs.

    `{{disambiguation}}` at the head of a page marks it as one; `[[en:Title]]` in it links to another
    language.
    """
    port = _free_port()
    for code, pages in wikis.items():
        _install(folder / code, code, port)
        _prepare(folder / code, wikis)
        for title, text in pages.items():
            _maintain(folder / code, "edit", "--no-rc", "-u", "Admin", title, stdin=text)
        _mark_disambiguations(folder / code, pages)
    (folder / "router.php").write_text(_ROUTER % {"code": CODE}, encoding="utf-8")
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        ["php", "-S", f"127.0.0.1:{port}", str(folder / "router.php")],
        env={**os.environ, "PHP_CLI_SERVER_WORKERS": "3"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/{{code}}/api.php"
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=10)
        log.close()


def _install(folder: Path, code: str, port: int) -> None:
    folder.mkdir()
    subprocess.run(
        [
            "php", str(CODE / "maintenance" / "install.php"), "--dbtype", "sqlite", "--dbname", "wiki",
            "--dbpath", str(folder), "--confpath", str(folder), "--server", f"http://127.0.0.1:{port}",
            "--scriptpath", f"/{code}", "--lang", code, "--pass", "correct horse battery", f"Wiki {code}", "Admin",
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with (folder / "LocalSettings.php").open("a", encoding="utf-8") as settings:
        settings.write(_SETTINGS.format(code=CODE))


def _prepare(folder: Path, wikis: Mapping[str, object]) -> None:
    """Make the languages' codes prefixes of links between them."""
    with closing(sqlite3.connect(folder / "wiki.sqlite")) as database, database:
        database.executemany(
            "INSERT OR REPLACE INTO interwiki (iw_prefix, iw_url, iw_api, iw_wikiid, iw_local, iw_trans)"
            " VALUES (?, ?, '', '', 1, 0)",
            [(code, f"https://{code}.wikipedia.org/wiki/$1") for code in wikis],
        )


def _mark_disambiguations(folder: Path, pages: Mapping[str, str]) -> None:
    """What the extension Disambiguator does, which Debian does not have."""
    marked = [title for title, text in pages.items() if text.startswith("{{disambiguation}}")]
    with closing(sqlite3.connect(folder / "wiki.sqlite")) as database, database:
        database.executemany(
            "INSERT OR REPLACE INTO page_props (pp_page, pp_propname, pp_value, pp_sortkey)"
            " SELECT page_id, 'disambiguation', '', NULL FROM page WHERE page_namespace = 0 AND page_title = ?",
            [(title.replace(" ", "_"),) for title in marked],
        )


def _maintain(folder: Path, script: str, *arguments: str, stdin: str = "") -> None:
    subprocess.run(
        ["php", str(CODE / "maintenance" / f"{script}.php"), "--conf", str(folder / "LocalSettings.php"), *arguments],
        input=stdin, text=True, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(100):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("MediaWiki's server did not start")
