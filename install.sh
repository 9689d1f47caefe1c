#!/bin/sh
# Installs into .venv what reading the study needs (sh install.sh base), or training too
# (sh install.sh train), or exporting networks (sh install.sh deploy); `make` calls it. What is
# there stays: an interrupted run is resumed.
set -u
suitable='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
ours=.venv/bin/python
lock=.venv.lock

stop() {
  echo "$1" >&2
  exit 1
}

what_it_is() {
  if command -v "$PYTHON" >/dev/null 2>&1; then echo "is $("$PYTHON" -V 2>&1)"; else echo "names no program"; fi
}

# TensorFlow has wheels for Python 3.11 to 3.13; 3.11 is what the stored outputs were made with.
choose_python() {
  for python in "${PYTHON:-}" python3.11 python3.12 python3.13 python3 python; do
    if [ -n "$python" ] && "$python" -c "$suitable" >/dev/null 2>&1; then return; fi
    [ -z "${PYTHON:-}" ] || stop "PYTHON=$PYTHON $(what_it_is): pass the path of a Python 3.11, 3.12 or 3.13 with venv."
  done
  stop "No Python 3.11, 3.12 or 3.13 with venv was found: install one, or pass PYTHON=<interpreter>."
}

# One lock file pins both environments. Python compiles what is imported when it is imported;
# compiling everything would take as long as unpacking it.
install() {
  PIP_ROOT_USER_ACTION=ignore $ours -m pip install -qq --disable-pip-version-check --no-compile \
    --constraint requirements.lock --no-build-isolation "$@" ||
    stop "The installation did not finish: check disk and package registry (for Intel Macs some packages have no wheels: use Linux), then run make again."
}

[ -w . ] || stop "$PWD cannot be written: run 'make setup' once in a copy that can, or correct its permissions."
# The link names the process that is at work; one that was killed holds nothing.
if [ -L $lock ] && ! kill -0 "$(readlink $lock)" 2>/dev/null; then rm -f $lock; fi
ln -s $$ $lock 2>/dev/null || stop "Another make is installing into .venv: wait until it has finished, then run make again."
trap 'rm -f $lock' EXIT
trap 'exit 130' INT TERM

if ! $ours -m pip --version >/dev/null 2>&1 || ! $ours -c "$suitable" >/dev/null 2>&1; then
  choose_python
  echo "Creating .venv with $python"
  "$python" -m venv --clear .venv || stop ".venv could not be made with $python: see above."
fi
if [ "$1" = train ]; then
  echo "Adding TensorFlow and what else training and tests need (2 GB more, a few minutes)"
  install --editable '.[train]'
elif [ "$1" = deploy ]; then
  echo "Adding what exporting networks needs (100 MB more)"
  install --editable '.[train,deploy]'
else
  echo "Installing what reading the study needs (1 GB, a minute or two)"
  install setuptools
  install --editable .
fi
