#!/bin/sh
# nginx in a container. It asks for the addresses of the services when it starts; when they change, it is told to ask again.
set -eu

# The one folder of the container that can be written to.
folder=/tmp/oms-gateway
mkdir -p "$folder"

addresses() {
    for service in order-service inventory-service account-service; do
        getent ahosts "$service" | sort -u
    done
}

known=$(addresses)
# The shell becomes nginx below and keeps its process id.
nginx=$$
(
    while sleep 2; do
        now=$(addresses)
        if [ "$now" != "$known" ]; then
            # With a name that has no address, nginx keeps those that it has.
            kill -HUP "$nginx"
            known=$now
        fi
    done
) &

exec nginx -e stderr -p "$folder" -c /etc/oms-gateway/nginx.conf -g 'daemon off; error_log stderr crit;'
