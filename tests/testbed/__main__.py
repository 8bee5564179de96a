# Copyright (c) 2026, Stowage contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m testbed`: builds servers, and starts and ends a lasting bed of them."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path

from testbed import build, daemon, samples
from testbed.api import Api
from testbed.errors import TestbedError
from testbed.extras import load_extras


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m testbed", description="Real servers for tests, on loopback.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="build servers ahead of use")
    make.add_argument(
        "names",
        nargs="*",
        help=f"of {', '.join([*build.SERVERS, 'seaweedfs', 'azurite', 'chromium'])}; all if none is named",
    )
    start = commands.add_parser("up", help="start a bed that runs on when this command ends")
    start.add_argument("--clusters", type=int, default=1, metavar="N", help="how many clusters (default 1)")
    start.add_argument("--minio", action="store_true", help="with a MinIO")
    start.add_argument("--seaweedfs", action="store_true", help="with a SeaweedFS")
    start.add_argument("--velero", action="store_true", help="with a Velero server for the first cluster (and MinIO)")
    start.add_argument(
        "--with-ancestor", metavar="WORD", help="end with the outermost ancestor that has WORD in its command"
    )
    start.add_argument("--foreground", action="store_true", help="own the servers in this process, until Ctrl-C")
    end = commands.add_parser("down", help="end the bed and remove its files")
    look = commands.add_parser("status", help="say what runs")
    look.add_argument("--json", action="store_true", help="the whole state, with credentials, as JSON")
    fill = commands.add_parser("load", help="load the sample applications into a cluster")
    fill.add_argument(
        "--kubeconfig", type=Path, required=True, help="of the cluster; everything is changed in it at will"
    )
    fill.add_argument("--extras", action="store_true", help="awkward objects too")
    own = commands.add_parser("serve", help=argparse.SUPPRESS)
    own.add_argument("wanted")
    for command in (start, end, look, own):
        command.add_argument("--dir", type=Path, help="the bed's directory (default: in the cache, by --name)")
        command.add_argument("--name", default="bed", help="which bed of the cache (default: bed)")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.command == "build":
        for name, program in build.build(options.names).items():
            print(f"{name}: {program}")
        return 0
    if options.command == "load":
        return _load(Api(options.kubeconfig), extras=options.extras)
    home = daemon.Home(options.dir, options.name)
    match options.command:
        case "up":
            return _up(home, options)
        case "serve":
            daemon.serve(home, daemon.Wanted(**json.loads(options.wanted)), build.say_on_stderr)
        case "down":
            print("ended" if daemon.down(home) else "nothing ran", f"({home.path})")
        case "status":
            return _status(home, as_json=options.json)
    return 0


def _up(home: daemon.Home, options: argparse.Namespace) -> int:
    wanted = daemon.Wanted(
        clusters=max(options.clusters, 1 if options.velero else 0),
        minio=options.minio or options.velero,
        seaweedfs=options.seaweedfs,
        velero=options.velero,
        ancestor=daemon.find_ancestor(options.with_ancestor) if options.with_ancestor else 0,
    )
    daemon.up(home, wanted, build.say_on_stderr, foreground=options.foreground, ready=lambda state: _show(home, state))
    return 0


def _load(api: Api, *, extras: bool) -> int:
    print(f"loaded {samples.load(api)} objects of the sample applications")
    if extras:
        print(f"loaded {load_extras(api)} awkward objects")
    return 0


def _status(home: daemon.Home, *, as_json: bool) -> int:
    state = home.state()
    if as_json:
        print(json.dumps(state or {}, indent=2))
    elif state is None:
        print("starting" if home.running() else "nothing runs", f"({home.path})")
    else:
        _show(home, state)
    return 0 if state else 1


def _show(home: daemon.Home, state: daemon.State) -> None:
    for name, cluster in state["clusters"].items():
        print(f"{name}: {cluster['server']}  kubeconfig {cluster['kubeconfig']}")
    for name in ("minio", "seaweedfs"):
        if name in state:
            print(f"{name}: {state[name]['endpoint']}  CA {state[name]['ca_cert']}")
    if "velero" in state:
        print(f"velero: of {state['velero']['cluster']}, bucket {state['velero']['bucket']} of MinIO")
    print(f"credentials: {home.state_file}")


def main() -> int:
    """Runs one command; returns its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a bed in the foreground says what runs long before it ends
    try:
        return _run(_parser().parse_args())
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
