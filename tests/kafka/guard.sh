#!/bin/sh
# guard.sh LOG COMMAND... runs COMMAND when it is told "start" and sends it the signals it is told
# (KILL, STOP, CONT, TERM). Answers each order with the process id, empty when there is none. When
# its input ends it kills the command: no broker outlives a test, however the test's process ended.
trap '' HUP INT TERM
log=$1
shift
pid=

send() {
    [ -z "$pid" ] || kill -s "$1" "$pid" 2>/dev/null
}

end() {
    send "$1"
    [ -z "$pid" ] || wait "$pid"
    pid=
}

while read -r order; do
    case $order in
    start)
        (trap - HUP INT TERM; exec "$@" </dev/null >>"$log" 2>&1) &
        pid=$!
        ;;
    KILL | TERM) end "$order" ;;
    *) send "$order" ;;
    esac
    echo "$pid"
done
end KILL
