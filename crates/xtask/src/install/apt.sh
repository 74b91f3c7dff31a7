#!/bin/sh
# Installs Debian packages without letting them start servers of their own. Run as root: sh -c <this> apt PACKAGE…
# Whatever it puts in place for the time of the installation it takes away again, also when it is interrupted.
set -eu
export DEBIAN_FRONTEND=noninteractive

mark='# put here by cargo xtask for the time of one installation'
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
drop_in=$clusters/zz-oms-xtask.conf

clean_up() {
    rm -f "$drop_in"
    if [ -f "$policy" ] && grep -qF "$mark" "$policy"; then rm -f "$policy"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# No cluster of PostgreSQL's own on port 5432.
case " $* " in *' postgresql '*)
    mkdir -p "$clusters"
    printf '%s\ncreate_main_cluster = false\n' "$mark" >"$drop_in"
esac

# No server of RabbitMQ's own on port 5672, no Prometheus on 9090, no Alertmanager on 9093, no nginx on 80, no etcd on 2379. Other
# services are let through, and a policy that the machine already has stays in force.
if [ ! -e "$policy" ]; then
    cat >"$policy" <<EOF
#!/bin/sh
$mark
case "\$1" in rabbitmq-server* | epmd* | postgresql* | prometheus* | nginx* | etcd* | patroni* | haproxy*) exit 101 ;; esac
exit 0
EOF
    chmod 755 "$policy"
fi

erlang_was_there=no
if dpkg-query --status erlang-base >/dev/null 2>&1; then erlang_was_there=yes; fi

# An outdated list of packages is better than none.
apt-get -o DPkg::Lock::Timeout=300 update || echo 'apt-get update failed; trying with the lists there are'
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"

# Nor any after the next boot of the machine: the packages were installed for private servers only.
case " $* " in *' rabbitmq-server '*)
    if [ -d /run/systemd/system ]; then
        systemctl disable rabbitmq-server.service || true
        if [ "$erlang_was_there" = no ]; then systemctl disable epmd.socket epmd.service || true; fi
    fi
esac
for package in "$@"; do
    case "$package" in prometheus* | nginx | etcd-server | patroni | haproxy)
        if [ -d /run/systemd/system ]; then systemctl disable "${package%-server}.service" || true; fi
    esac
done
