#!/usr/bin/env bash
# Installs the libraries for headless OpenGL where that is possible; says so where it is not. Never fails.
set -u

have() { ldconfig -p 2>/dev/null | grep -q "$1"; }
have libEGL.so.1 && have libOSMesa.so && exit 0
packages="libegl1 libgl1 libegl-mesa0 libgl1-mesa-dri libosmesa6"

if ! command -v apt-get >/dev/null; then
    echo "No OpenGL libraries and no apt-get: tests that render with MuJoCo will be skipped." >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    echo "No OpenGL libraries and no root: tests that render with MuJoCo will be skipped." >&2
    echo "To run them: sudo apt-get install $packages" >&2
    exit 0
fi
echo "Installing $packages ..."
export DEBIAN_FRONTEND=noninteractive
if ! { $sudo apt-get update -qq && $sudo apt-get install -qq -y $packages; } >/dev/null; then
    echo "apt-get could not install $packages: tests that render with MuJoCo will be skipped." >&2
fi
exit 0
