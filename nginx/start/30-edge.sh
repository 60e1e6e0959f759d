#!/bin/sh
# Writes what only this machine knows into nginx's configuration: names, certificate, curves, resolver, proxies in front.
set -eu

out=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
certificates=${CERTIFICATE_DIR:-/srv/certificates}
chain=$certificates/fullchain.pem
key=$certificates/privkey.pem

say() { echo "edge: $*"; }
die() { echo "edge: $*" >&2; exit 78; }
listed() { echo "$1" | tr ',' ' '; }

# --- the names that are served ---
names=$(listed "${ALLOWED_HOSTS:-}")
case $names in
    *[!A-Za-z0-9.:\ \[\]-]*) die "ALLOWED_HOSTS must hold host names only, separated by commas." ;;
    *[!\ ]*) echo "server_name $names;" >"$out/server_names.inc" ;;
    *) die "ALLOWED_HOSTS is required: the names served, such as faq.example.org." ;;
esac

# --- the certificate: yours where it is there, else one of our own until it comes ---
subject_names() {
    list=
    for name in $names; do
        case $name in
            .*) list="$list,DNS:${name#.},DNS:*$name" ;;
            \[*\]) list="$list,IP:$(echo "$name" | tr -d '[]')" ;;
            *[!0-9.]*) list="$list,DNS:$name" ;;
            *) list="$list,IP:$name" ;;
        esac
    done
    echo "${list#,}"
}
own_is_needed() {
    [ -s "$chain" ] && [ -s "$key" ] || return 0
    [ -e "$certificates/self-signed" ] || return 1
    ! openssl x509 -in "$chain" -noout -checkend 604800 >/dev/null
}
if own_is_needed; then
    first=$(set -- $names; echo "${1#.}")
    (
        umask 077
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$first" \
            -addext "subjectAltName=$(subject_names)" -keyout "$key.new" -out "$chain.new" 2>/dev/null
        mv "$key.new" "$key"
        mv "$chain.new" "$chain"
        : >"$certificates/self-signed"
    )
    say "made a certificate of our own for $first, for 30 days; browsers will warn until yours is in its place"
elif [ -e "$certificates/self-signed" ] && ! openssl x509 -in "$chain" -noout -checkend 0 >/dev/null; then
    say "the certificate has expired"
fi

# --- the curves, as far as this OpenSSL knows them ---
curves_work() {
    probe=$(mktemp -d)
    {
        echo "pid $probe/pid; error_log stderr emerg; events {} http { access_log off;"
        for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $probe/$kind;"; done
        echo "server { listen unix:$probe/socket ssl; ssl_certificate $chain; ssl_certificate_key $key;"
        echo "ssl_ecdh_curve $1; } }"
    } >"$probe/nginx.conf"
    status=0
    nginx -t -q -p "$probe" -c "$probe/nginx.conf" >/dev/null 2>&1 || status=1
    rm -rf "$probe"
    return $status
}
curves=X25519:prime256v1:secp384r1
if curves_work "X25519MLKEM768:$curves"; then curves=X25519MLKEM768:$curves; fi
{
    echo "ssl_certificate $chain;"
    echo "ssl_certificate_key $key;"
    echo "ssl_ecdh_curve $curves;"
} >"$out/certificate.inc"

# --- for the whole of http: who answers names, who is believed about addresses, which port the outside sees ---
{
    servers=$(awk '$1 == "nameserver" { print ($2 ~ /:/) ? "[" $2 "]" : $2 }' /etc/resolv.conf | tr '\n' ' ')
    [ -z "$servers" ] || echo "resolver ${servers}valid=2s ipv6=off; resolver_timeout 2s;"
    for proxy in $(listed "${EDGE_TRUSTED_PROXIES:-}"); do
        case $proxy in *[!0-9A-Fa-f.:/]*) die "EDGE_TRUSTED_PROXIES must hold addresses or networks only." ;; esac
        echo "set_real_ip_from $proxy;"
    done
    [ -z "${EDGE_TRUSTED_PROXIES:-}" ] || echo "real_ip_header X-Forwarded-For; real_ip_recursive on;"
    port=${HTTPS_PORT:-443}
    case $port in 443) suffix= ;; *[!0-9]*) die "HTTPS_PORT must be a port." ;; *) suffix=:$port ;; esac
    echo "map '' \$external_port { default '$suffix'; }"
} >"$out/05-machine.conf"
