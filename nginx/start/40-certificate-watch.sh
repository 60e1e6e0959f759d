#!/bin/sh
# A renewed certificate is taken up without a restart, and without a request lost.
set -eu
chain=${CERTIFICATE_DIR:-/srv/certificates}/fullchain.pem
every=${CERTIFICATE_WATCH_SECONDS:-60}

watch() {
    seen=$(cksum <"$chain")
    while sleep "$every"; do
        now=$(cksum 2>/dev/null <"$chain") || continue
        if [ "$now" != "$seen" ]; then
            nginx -s reload && echo "edge: another certificate, taken up"
            seen=$now
        fi
    done
}
watch &
