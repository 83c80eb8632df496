#!/bin/sh
# guard.sh LOG COMMAND... runs COMMAND on the order "start", sends it the signals it is told
# (KILL, STOP, CONT, TERM), and answers each order with the process id. When its input ends, it
# kills the command: so no broker outlives a test, however the test's process ended.
trap '' HUP INT TERM
log=$1
shift
pid=
while read -r order; do
    case $order in
    start)
        (trap - HUP INT TERM; exec "$@" </dev/null >>"$log" 2>&1) &
        pid=$!
        ;;
    KILL | TERM)
        kill -s "$order" "$pid" 2>/dev/null
        wait "$pid"
        ;;
    *)
        kill -s "$order" "$pid" 2>/dev/null
        ;;
    esac
    echo "$pid"
done
if [ -n "$pid" ]; then
    kill -s KILL "$pid" 2>/dev/null
    wait "$pid"
fi
