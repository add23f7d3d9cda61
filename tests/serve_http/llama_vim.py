#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""python3 llama_vim.py EARLYOUT LLAMA_VIM: types in Vim with the plugin llama.vim and takes its hint.

EARLYOUT is the command, LLAMA_VIM a folder with the plugin's sources. Vim 9.0.0067 or later, with +textprop.
"""
import os
import pty
import select
import sys
import tempfile
import time

from served import Served, fim_model

SOURCE = "import os\n\ndef f(a):\n    y = 3\n    return y\n\nprint(f(3))\n"


def start_vim(folder, plugin, port):
    rc = os.path.join(folder, "rc.vim")
    with open(rc, "w", encoding="utf-8") as file:
        file.write(f"set nocompatible\nset rtp+={os.path.abspath(plugin)}\nfiletype off\n"
                   f"let g:llama_config = {{'endpoint_fim': 'http://127.0.0.1:{port}/infill'}}\n")
    edited = os.path.join(folder, "edited.py")
    with open(edited, "w", encoding="utf-8") as file:
        file.write(SOURCE)
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("vim", ["vim", "-u", rc, edited])
    return edited, process, terminal


def send(terminal, keys, seconds):
    os.write(terminal, keys.encode())
    end = time.time() + seconds
    while time.time() < end:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                return


def main():
    command, plugin = sys.argv[1:]
    with fim_model() as folder, Served(command, "--model", os.path.join(folder, "tiny-fim")) as server:
        edited, process, terminal = start_vim(folder, plugin, server.port)
        send(terminal, "\r", 1.0)  # Vim 9.0 is told that the plugin was made for 9.1
        send(terminal, "3Go", 0.8)
        for key in "    x = ":
            send(terminal, key, 0.12)
        send(terminal, "", 1.5)
        send(terminal, "\t", 1.0)  # takes the hint
        send(terminal, "\x1b", 0.3)
        send(terminal, ":wqa!\r", 0.5)
        os.waitpid(process, 0)
        with open(edited, encoding="utf-8") as file:
            found = file.read()
        before, after = SOURCE.split("    y", 1)
        assert found.startswith(before + "    x = "), found
        hint = found[len(before + "    x = "):-len("\n    y" + after)]
        assert hint.strip() and found.endswith("\n    y" + after), found
        print(f"the hint that was taken: {hint!r}")
        server.stop()


if __name__ == "__main__":
    main()
