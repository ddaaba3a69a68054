"""Runs pkilint's programs, many times in one process: starting one takes longer than linting.

Standard input: a JSON array of runs, each an array of a program's name and its arguments.
Standard output: a JSON array of what each printed, itself JSON.
"""

import contextlib
import importlib
import io
import json
import sys


def output(program, arguments):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # The exit code says whether there are findings, which is printed as well.
        importlib.import_module(f"pkilint.bin.{program}").main(arguments)
    return json.loads(printed.getvalue())


json.dump([output(program, arguments) for program, *arguments in json.load(sys.stdin)], sys.stdout)
