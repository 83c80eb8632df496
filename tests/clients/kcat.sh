#!/bin/sh
# kcat: BOOTSTRAP TOPIC ROUNDS PER_ROUND CODEC. It says nothing of single records: it succeeds only if all
# were acknowledged.
count=$(($3 * $4))
dots=$(printf '%0200d' 0 | tr 0 .)
i=0
while [ "$i" -lt "$count" ]; do
    echo "$i:$i$dots"
    i=$((i + 1))
done | kcat -P -b "$1" -t "$2" -K : -z "$5" -X enable.idempotence=true -X batch.num.messages="$4" -X linger.ms=5 &&
    echo "acked=$count failed=0"
