#!/bin/sh
# Listens to everybody who reaches the container, and tells clients the address that they know.
set -eu
: "${BROKER_IP:?set BROKER_IP to the address that clients know this host by}"
conf=/var/lib/millrace/broker.conf
printf 'bindAddress=0.0.0.0\nbrokerIP1=%s\n' "$BROKER_IP" > "$conf"
exec millrace server --dir /var/lib/millrace/store -c "$conf"
