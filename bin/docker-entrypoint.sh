#!/bin/sh
# Starts the process that SERVICE_TYPE names; arguments, if there are any, are a taskflow command instead.
set -eu
if [ "$#" -gt 0 ]; then
  exec taskflow "$@"
fi
case "${SERVICE_TYPE:-}" in
  janitor) exec taskflow janitor --every 1h ;;
  api | manager | worker | migrate) exec taskflow "$SERVICE_TYPE" ;;
  *)
    echo "SERVICE_TYPE must be api, manager, worker, janitor or migrate, not '${SERVICE_TYPE:-}'" >&2
    exit 64
    ;;
esac
