"""Processes that outlive who has started them: they become children of the nearest process above that adopts orphans (Linux).

A job adopts what its connector leaves behind, in whatever group or session; when the job ends, however, the server adopts
that, and ends it. Elsewhere a job's process group has to do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

import psutil

PR_SET_CHILD_SUBREAPER = 36
JOB = "airbyte_local.job"  # in the command line of every job


def adopt_orphans() -> None:
    """From here on orphans below this process become its children."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> int:
    """End what this process has adopted from jobs that have ended, with all below; returns how many processes.

    Its own children, which are jobs or in its own session, are none of these.
    """
    ended = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            session = os.getsid(child.pid)
            if session == os.getsid(0):
                continue
            # a zombie that leads a session may be a job, for which another thread waits
            if child.status() == psutil.STATUS_ZOMBIE:
                if session != child.pid:
                    os.waitpid(child.pid, os.WNOHANG)
                continue
            if JOB in " ".join(child.cmdline()):
                continue
            for process in (child, *child.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    process.kill()
                    ended += 1
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, 0)
    return ended
