#!/bin/sh
# A renewed certificate is taken up without a restart, and without a request lost.
set -eu
chain=${CERTIFICATE_DIR:-/srv/certificates}/fullchain.pem
every=${CERTIFICATE_WATCH_SECONDS:-60}

watch() {
    seen=$(cksum <"$chain")
    while sleep "$every"; do
        now=$(cksum 2>/dev/null <"$chain") || continue
        # One that does not go with its key is refused, and looked at again: the key may be on its way.
        if [ "$now" != "$seen" ] && nginx -s reload; then
            echo "edge: another certificate, taken up"
            seen=$now
        fi
    done
}
watch &
