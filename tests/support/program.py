"""The program run to its end, without a terminal and with next to no environment."""

import subprocess

from support.waiting import scaled


def runner(program, folder, seconds):
    """A function that runs `program` in `folder` with the arguments it is given; it must end within `seconds`."""

    def run(*arguments):
        return subprocess.run(
            [program, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=scaled(seconds),
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        )

    return run
