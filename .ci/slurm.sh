#!/usr/bin/env bash
# A real Slurm on this machine, for tests; as root, without systemd, in a container or VM. Several nodes are several
# daemons, each of which says that it has the cores, the memory and the GPUs below.
#
#   .ci/slurm.sh start     install what is missing, start the daemons; does nothing if they run
#   .ci/slurm.sh stop      stop the daemons that `start` started
#   .ci/slurm.sh env       print the export line that lets clients find it
#
# SLURM_CI_DIR (/tmp/red-slurm), SLURM_CI_NODES (1), SLURM_CI_CPUS (all cores), SLURM_CI_GPUS (0: pretend GPUs),
# SLURM_CI_CTLD_PORT (6817), SLURM_CI_SLURMD_PORT (6818, the first node's; the others' follow).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${SLURM_CI_DIR:-/tmp/red-slurm}
host=$(hostname -s)
count=${SLURM_CI_NODES:-1}
# The only node has the machine's name.
if ((count == 1)); then nodes=("$host"); else nodes=($(seq --format "$host-%.0f" "$count")); fi
export SLURM_CONF=$dir/slurm.conf

runs() { [[ -s $dir/$1.pid && $(ps -o comm= -p "$(<"$dir/$1.pid")" 2>/dev/null) == "${1%%.*}" ]]; }

stop() {
    runs "$1" || return 0
    local pid; pid=$(<"$dir/$1.pid")
    kill "$pid"
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
}

install_packages() {
    local program missing=
    for program in slurmctld slurmd munged sbatch; do
        command -v "$program" >/dev/null || missing=yes
    done
    [[ -n $missing ]] || return 0
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
}

configure() {
    mkdir -p "$dir/state"
    local gres= memory node port lines=
    memory=$(awk -v count="$count" '/^MemTotal:/ {print int($2 * 0.9 / 1024 / count)}' /proc/meminfo)
    for ((i = 0; i < ${SLURM_CI_GPUS:-0}; i++)); do
        # slurmd counts GPUs that have a device file; a plain file does where mknod is forbidden.
        [[ -e $dir/gpu$i ]] || mknod "$dir/gpu$i" c 1 3 2>/dev/null || : > "$dir/gpu$i"
        gres=" Gres=gpu:$((i + 1))"
    done
    : > "$dir/gres.conf"
    port=${SLURM_CI_SLURMD_PORT:-6818}
    for node in "${nodes[@]}"; do
        mkdir -p "$dir/spool.$node"
        lines+="NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port++))"
        lines+=" CPUs=${SLURM_CI_CPUS:-$(nproc)} RealMemory=$memory$gres State=UNKNOWN\n"
        for ((i = 0; i < ${SLURM_CI_GPUS:-0}; i++)); do
            echo "NodeName=$node Name=gpu File=$dir/gpu$i" >> "$dir/gres.conf"
        done
    done
    sed -e "s|@HOST@|$host|g" -e "s|@DIR@|$dir|g" -e "s|@NODES@|$lines|" \
        -e "s|@CTLD_PORT@|${SLURM_CI_CTLD_PORT:-6817}|" "$here/slurm.conf.in" > "$SLURM_CONF"
}

# Inside a job SLURM_CONF is gone (the plugin drops SLURM_*): the default place must name it too.
link_default() {
    [[ ! -e /etc/slurm/slurm.conf ]] || return 0
    mkdir -p /etc/slurm
    ln -sfn "$SLURM_CONF" /etc/slurm/slurm.conf
}

unlink_default() {
    [[ $(readlink /etc/slurm/slurm.conf 2>/dev/null) == "$SLURM_CONF" ]] || return 0
    rm /etc/slurm/slurm.conf
}

start_munge() {
    munge -n >/dev/null 2>&1 && return
    if [[ ! -s /etc/munge/munge.key ]]; then
        install -d -m 0700 -o munge -g munge /etc/munge
        dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
    fi
    chown munge:munge /etc/munge/munge.key
    chmod 0400 /etc/munge/munge.key
    install -d -m 0755 -o munge -g munge /run/munge /var/lib/munge /var/log/munge
    setpriv --reuid=munge --regid=munge --init-groups munged --force
    for _ in $(seq 50); do munge -n >/dev/null 2>&1 && break; sleep 0.1; done
    cp /run/munge/munged.pid "$dir/munged.pid"
}

wait_for_node() {
    local state=unknown node=$1
    for _ in $(seq 150); do
        state=$(sinfo --noheader --nodes "$node" --format %T 2>/dev/null | head -1)
        case $state in
            idle | mixed | allocated) return ;;
            down* | drain* | inval*) scontrol update "NodeName=$node" State=RESUME 2>/dev/null || true ;;
        esac
        sleep 0.2
    done
    echo "slurm.sh: $node is ${state:-unknown}, not idle; last lines of the logs:" >&2
    tail -n 20 "$dir/slurmctld.log" "$dir/slurmd.$node.log" >&2
    exit 1
}

case ${1:-start} in
    start)
        [[ $(id -u) == 0 ]] || { echo "slurm.sh: start it as root" >&2; exit 1; }
        install_packages
        mkdir -p "$dir"
        runs slurmctld || configure
        link_default
        start_munge
        runs slurmctld || slurmctld -f "$SLURM_CONF"
        for node in "${nodes[@]}"; do runs "slurmd.$node" || slurmd -f "$SLURM_CONF" -N "$node"; done
        for node in "${nodes[@]}"; do wait_for_node "$node"; done
        echo "export SLURM_CONF=$SLURM_CONF"
        ;;
    stop)
        for file in "$dir"/slurmd.*.pid; do stop "$(basename "$file" .pid)"; done
        for daemon in slurmctld munged; do stop "$daemon"; done
        unlink_default
        ;;
    env) echo "export SLURM_CONF=$SLURM_CONF" ;;
    *) echo "usage: .ci/slurm.sh start|stop|env" >&2; exit 2 ;;
esac
