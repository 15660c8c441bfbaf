"""Airflow's programs as forks of supervisord: each behaves as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from foundation.settings import ROOT

# a supervisord in small: it holds a signal and a library, then forks what would be one of Airflow's programs
PARENT = """
    import atexit, os, signal, sys
    from stack import supervisord
    supervisord.PROGRAMS = {"airflow-probe": [sys.executable, "-m", "probe", "one", "two"]}
    supervisord.Options.shares = True
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    os.environ["OF_SUPERVISORD"] = "yes"
    BEFORE
    if (child := os.fork()) == 0:
        supervisord.Options.execve(None, sys.executable, [sys.executable, "-m", "stack.airflow", "airflow-probe"], {"GIVEN": "yes"})
    print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def _run(folder: Path, program: str, before: str = "pass") -> str:
    (folder / "probe.py").write_text(textwrap.dedent(program))
    (folder / "parent.py").write_text(textwrap.dedent(PARENT).replace("BEFORE", before))
    done = subprocess.run(
        [sys.executable, "parent.py"],
        cwd=folder,
        env={"PATH": "/usr/bin", "ELT_HOME": str(folder / "home"), "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_a_fork_has_the_arguments_environment_and_signals_of_a_new_process(tmp_path: Path) -> None:
    said = _run(
        tmp_path,
        """
        import os, signal, sys
        print(sys.argv[1:], sorted({"GIVEN", "AIRFLOW_HOME", "OF_SUPERVISORD"} & set(os.environ)))
        print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.getsignal(signal.SIGINT).__name__)
        """,
    )
    assert "['one', 'two'] ['AIRFLOW_HOME', 'GIVEN']" in said
    assert "True default_int_handler" in said
    assert "ended with 0" in said


@pytest.mark.parametrize(
    ("ending", "code", "says"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no database')", 1, "no database"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong"),
        ("sys.exit()", 0, ""),
    ],
)
def test_a_fork_ends_as_a_process_of_its_own_does(tmp_path: Path, ending: str, code: int, says: str) -> None:
    said = _run(tmp_path, f"import atexit, sys\natexit.register(print, 'cleaned up')\n{ending}\n")
    assert f"ended with {code}" in said
    assert says in said
    assert said.count("cleaned up") == 1


def test_other_programs_are_executed(tmp_path: Path) -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from stack.supervisord import Options; Options.shares = True;"
            "Options.execve(None, sys.executable, [sys.executable, '-c', 'print(sorted(__import__(\"os\").environ)[0])'], {'GIVEN': 'yes'})",
        ],
        env={"ELT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stdout.strip() == "GIVEN", said.stderr


@pytest.mark.parametrize(
    ("meanwhile", "value"),
    [
        ("pass", "old"),
        ("file.write_text(file.read_text().replace('old', 'new'))", "new"),
        ("file.unlink()", "none"),
    ],
)
def test_a_fork_reads_our_code_again_where_it_has_changed_and_what_is_cached_always(
    tmp_path: Path, meanwhile: str, value: str
) -> None:
    (tmp_path / "ours.py").write_text(
        "import functools, os\nVALUE = 'old'\n@functools.cache\ndef place(): return os.environ.get('GIVEN')\n"
    )
    os.utime(tmp_path / "ours.py", (1, 1))
    before = "supervisord.ROOT = Path.cwd(); import ours; ours.place(); supervisord.Options.ours = supervisord.OurCode.imported()"
    said = _run(
        tmp_path,
        "try:\n    import ours\n    print(ours.VALUE, ours.place())\nexcept ImportError:\n    print('none yes')\n",
        before=f"from pathlib import Path; {before}; file = Path('ours.py'); {meanwhile}",
    )
    assert f"{value} yes" in said


def test_a_task_reads_our_code_again_that_has_changed_since_the_scheduler_began(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text("VALUE = 'old'\n")
    os.utime(tmp_path / "ours.py", (1, 1))
    before = "supervisord.ROOT = Path.cwd(); import ours; supervisord.Options.ours = supervisord.OurCode.imported()"
    said = _run(
        tmp_path,
        """
        import os
        from pathlib import Path
        def task():
            if (child := os.fork()) == 0:
                import ours
                print("a task has", ours.VALUE, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
        task()
        Path("ours.py").write_text("VALUE = 'new'")
        task()
        """,
        before=f"from pathlib import Path; supervisord.FORKING = {{'airflow-probe'}}; {before}",
    )
    assert [line for line in said.splitlines() if "task" in line] == ["a task has old", "a task has new"]


SHARED = """
    import os, psutil
    from stack import supervisord
    print(supervisord._import_libraries())
    from airflow import settings
    print(settings.engine.pool.checkedin(), settings.engine.pool.checkedout())
    print(psutil.Process().net_connections(kind='all'), 'AIRFLOW_HOME' in os.environ)
    from airflow.api_fastapi import app as server
    from airflow.api_fastapi.execution_api import app as api
    served, within = server.create_task_execution_api_app(), api.InProcessExecutionAPI()
    print(served._cadwyn_initialized, served.router.lifespan_context is api.lifespan, len(served.dependency_overrides))
    print(within.app is served, within is api.InProcessExecutionAPI(), len(within.app.dependency_overrides) > 0)
"""


def test_what_airflows_programs_share_is_of_no_process_and_lets_nobody_in(tmp_path: Path) -> None:
    """A thread would not be there in a fork, and two forks would speak over one connection.

    Airflow's API for tasks is made before the fork and given once; what a process calls within itself, which lets all in, is another.
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SHARED)],
        env={"PATH": "/usr/bin", "ELT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    expected = ["True", "0 0", "[] False", "True True 0", "False True True"]
    assert said.stdout.splitlines()[-5:] == expected, said.stdout + said.stderr


def test_libraries_that_can_not_be_shared_are_tried_once(tmp_path: Path) -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from stack import supervisord; from supervisor.options import ServerOptions;"
            "ServerOptions.check_execv_args = lambda *_: None; supervisord.LIBRARIES = ('nowhere_to_be_found',);"
            "options = object.__new__(supervisord.Options);"
            "[options.check_execv_args('', [sys.executable, '-m', 'stack.airflow', name], None) for name in supervisord.PROGRAMS];"
            "print(supervisord.Options.shares)",
        ],
        env={"PATH": "/usr/bin", "ELT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stdout.strip() == "False", said.stderr
    assert said.stderr.count("ModuleNotFoundError: No module named 'nowhere_to_be_found'") == 1
