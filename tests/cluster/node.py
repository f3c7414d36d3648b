"""A Slurm cluster of one node, in a folder of its own: its daemons, its configuration, its accounts.

Nothing of it lies elsewhere, nothing listens but on 127.0.0.1, and nothing is left when it ends. The configuration of
Slurm, munge and MariaDB that the machine may have is not read.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PACKAGES = ("slurm-wlm", "slurmdbd", "munge", "mariadb-server")  # of Debian
PROGRAMS = (
    *("munged", "mariadbd", "mariadb-install-db", "mariadb", "slurmdbd", "slurmctld", "slurmd"),
    *("sacctmgr", "sacct", "sbatch", "srun", "squeue", "scancel", "sinfo"),
)
PARTITION = "short"
DEADLINE_S = 120.0  # for a daemon to answer, on a busy machine; reaching it is a fault

SLURM = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={worker}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePass={folder}/munge.socket
AccountingStoragePort={accounts}
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={accounts}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""


class NotUp(Exception):
    """A part of the cluster that does not do what it should; its log is in the message."""


def installed() -> None:
    """Install what is missing, where that is allowed; `NotUp` says what a person has to install."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotUp(f"{', '.join(missing)} are missing; as root on Debian: {' '.join(command)}")
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for each in (["apt-get", "update"], command):
        subprocess.run(each, env=quiet, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Within, there is a cluster; yields the environment in which Slurm's programs find it."""
    if os.geteuid() != 0:
        raise NotUp("the daemons of Slurm run jobs for every user: they are started by root alone")
    with ExitStack() as stack:
        # Not under /tmp of the user's choice: the name of a socket may have 108 characters.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm.", dir="/tmp")))
        folder.chmod(0o755)  # munge's socket is for everybody
        yield Node(folder, stack).up()


class Node:
    """The daemons in a folder, each ended by the stack in turn."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self.said = {
            "folder": str(folder),
            "host": socket.gethostname().split(".")[0],
            "partition": PARTITION,
            **dict(zip(("controller", "worker", "accounts", "database"), map(str, free_ports(4)), strict=True)),
        }

    def up(self) -> dict[str, str]:
        """Start everything, in the order in which one needs the other."""
        self.configured()
        munge = ("key", "socket", "pid", "log", "seed")
        files = [f"--{name}{'' if name == 'socket' else '-file'}={self.folder}/munge.{name}" for name in munge]
        self.started("munged", "--foreground", *files)
        self.until("munge", lambda: (self.folder / "munge.socket").exists())
        self.database()
        self.started("slurmdbd", "-D")
        self.until("slurmdbd", lambda: self.answers("sacctmgr", "--immediate", "add", "cluster", "one"))
        self.started("slurmctld", "-D", "-c")
        self.started("slurmd", "-D", "-N", self.said["host"])
        self.until("slurmd", lambda: "idle" in self.answer("sinfo", "--noheader", "--format=%T"))
        self.stack.callback(self.emptied)
        return self.environment

    def configured(self) -> None:
        """Write what the daemons read."""
        for name in ("state", "spool", "database"):
            (self.folder / name).mkdir()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        for name, text in (("slurm.conf", SLURM), ("slurmdbd.conf", SLURMDBD)):
            (self.folder / name).write_text(text.format(**self.said))
        for name in ("munge.key", "slurmdbd.conf"):  # secrets, which their daemons refuse where others can read them
            (self.folder / name).chmod(0o600)

    def database(self) -> None:
        """MariaDB with an empty database for the accounts."""
        place = f"--datadir={self.folder}/database"
        install = ["mariadb-install-db", "--no-defaults", place, "--user=root", "--skip-test-db"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL)
        sock, port = f"--socket={self.folder}/mariadb.socket", f"--port={self.said['database']}"
        own = ["--user=root", "--bind-address=127.0.0.1", f"--pid-file={self.folder}/mariadb.pid"]
        self.started("mariadbd", "--no-defaults", place, sock, port, *own, "--innodb-buffer-pool-size=64M")
        client = ["mariadb", "--no-defaults", sock, "--user=root", "--execute"]
        self.until("mariadbd", lambda: self.answers(*client, "SELECT 1"))
        for each in (
            "CREATE DATABASE slurm",
            "CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'",
            "CREATE USER slurm@localhost IDENTIFIED BY 'slurm'",
            "GRANT ALL ON slurm.* TO slurm@'127.0.0.1'",
            "GRANT ALL ON slurm.* TO slurm@localhost",
        ):
            subprocess.run([*client, each], check=True)

    def started(self, program: str, *arguments: str) -> None:
        """Start a daemon that stays in the foreground; it is ended with the cluster, after all that need it."""
        with open(self.folder / f"{program}.out", "wb") as out:
            process = subprocess.Popen(
                [program, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self.stack.callback(ended, process)

    def emptied(self) -> None:
        """End the jobs that a failed test has left: they would outlive the daemons."""
        self.answers("scancel", f"--partition={PARTITION}")
        self.until("slurmctld", lambda: not self.answer("squeue", "--noheader"))

    def answer(self, *command: str) -> str:
        """What a program says; nothing where it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def answers(self, *command: str) -> bool:
        """Whether a program succeeds."""
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        return done.returncode == 0

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a daemon to do its work."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                logs = [file.read_text(errors="replace")[-2000:] for file in self.folder.glob(f"{what}*.[!c]*")]
                raise NotUp(f"{what} does not answer after {DEADLINE_S:.0f} s\n" + "\n".join(logs))
            time.sleep(0.2)


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a daemon, by force if need be."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)  # a database writes what it has
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
