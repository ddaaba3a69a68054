#!/bin/sh
# A bot that says how a machine is, to one person alone: `messenger bot --exec ./machine.sh -- alice@example.org`.
# It is run once for each text, reads it from standard input, and prints the answer.

# The first argument is whom it answers; the certificate has proven who wrote.
if [ "$INPERSON_FROM" != "$1" ]; then
    echo "I answer $1 alone."
    exit
fi

# What somebody wrote is never run, only compared.
case "$(head -c 100)" in
disk) df -h / ;;
load) cut -d ' ' -f 1-3 /proc/loadavg ;;
*) echo "Write disk or load." ;;
esac
