#!/bin/sh
# Installs sample configuration files where none are yet:
# install_config.sh SOURCE-DIRECTORY CONFIG-DIRECTORY
set -eu
target=${DESTDIR:-}$2
mkdir -p "$target"
for name in main master; do
  # A directory with Postfix's files is read as it is.
  if [ ! -e "$target/$name.conf" ] && [ ! -e "$target/$name.cf" ]; then
    install -m 644 "$1/$name.conf" "$target/$name.conf"
  fi
done
