#!/bin/sh
# Counts what nginx answered, for Prometheus: nginx writes a short line for each response into memory, and every few
# seconds awk adds the new ones to the page that is scraped. With the container the counters begin anew, as they may.
set -eu
folder=${EDGE_COUNTS:-/tmp/edge}
every=${EDGE_COUNTS_SECONDS:-5}
most=${EDGE_COUNTS_BYTES:-16000000}

page=$folder/metrics
mkdir -p "$folder"

add() { # what is on the page, and the lines that come in
    awk '
        FILENAME == page { if ($0 !~ /^#/) total[$1] = $2; next }
        { total["faq_edge_responses_total{zone=\"" $1 "\",code=\"" substr($2, 1, 1) "xx\"}"]++ }
        $3 ~ /^REJECTED/ || $4 ~ /^REJECTED/ { total["faq_edge_rate_limited_total{zone=\"" $1 "\"}"]++ }
        END {
            zones = split("chat console static pages", zone, " ")
            print "# HELP faq_edge_responses_total Responses of nginx, whoever made them."
            print "# TYPE faq_edge_responses_total counter"
            for (n = 1; n <= zones; n++) for (class = 2; class <= 5; class++) say("faq_edge_responses_total{zone=\"" zone[n] "\",code=\"" class "xx\"}")
            print "# HELP faq_edge_rate_limited_total Requests that nginx turned away for their number."
            print "# TYPE faq_edge_rate_limited_total counter"
            for (n = 1; n <= zones; n++) say("faq_edge_rate_limited_total{zone=\"" zone[n] "\"}")
        }
        function say(series) { printf "%s %d\n", series, total[series] }
    ' page="$page" "$page" -
}
publish() {
    mv "$page.new" "$page"
}

: >"$page"
add </dev/null >"$page.new" && publish

count() {
    seen=0
    while sleep "$every"; do
        [ -e "$folder/lines" ] || continue
        size=$(wc -c <"$folder/lines") # nginx writes whole lines
        [ "$size" -gt "$seen" ] || continue
        tail -c "+$((seen + 1))" "$folder/lines" | head -c "$((size - seen))" | add >"$page.new" && publish
        seen=$size
        if [ "$size" -gt "$most" ]; then start_anew; fi
    done
}
start_anew() { # the rest is counted from the file that nginx has let go of
    mv "$folder/lines" "$folder/full"
    nginx -s reopen || { mv "$folder/full" "$folder/lines"; return; }
    until [ -e "$folder/lines" ]; do sleep 0.1; done
    sleep 1 # for what a worker was writing
    tail -c "+$((seen + 1))" "$folder/full" | add >"$page.new" && publish
    rm "$folder/full"
    seen=0
}
count &
