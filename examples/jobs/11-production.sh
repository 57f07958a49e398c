#!/usr/bin/env bash
# Job 11: a server as in production: a configuration file, TLS, keys, Redis with an append-only file,
# metrics, health. It is drained, killed, and loses Redis for a while; no frame is lost.
#
# Needs redis-server, openssl, curl, jq, and a folder `cams` with a folder of pictures for each camera.
set -euo pipefail
umask 077

# A certificate (docs/security.md), and a key for each program.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
  -subj "/CN=my cameras" -keyout ca.key -out ca.pem 2> /dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=frameway" \
  -keyout server.key -out server.csr 2> /dev/null
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out server.pem \
  -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") 2> /dev/null
keys=(frameway keys create --access-file access.toml)
"${keys[@]}" --principal admin --grant admin > admin.key
"${keys[@]}" --principal cameras --grant 'publish:cam-*' --grant 'read:cam-*' > cameras.key
"${keys[@]}" --principal recorder --grant 'read:cam-*' > recorder.key

# Redis keeps every accepted frame on disk.
redis() {
  redis-server --port 0 --unixsocket "$PWD/redis.sock" --dir "$PWD" --appendonly yes --appendfsync always \
    --maxmemory 256mb --maxmemory-policy noeviction --save '' --loglevel warning > redis.log 2>&1 &
  redis=$!
  until redis-cli -s redis.sock ping > /dev/null 2>&1; do sleep 0.05; done
}

# Two free ports, for this trial; yours are 7400 and 7401.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); do
    if ! (: > "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      echo "$port"
      return
    fi
  done
}
port=$(free_port) metrics=$(free_port)
cat > frameway.toml << END
[server]
listen = "127.0.0.1:$port"

[access]
access_file = "access.toml"

[tls]
tls_cert = "server.pem"
tls_key = "server.key"

[queue]
redis_url = "unix://$PWD/redis.sock"
memory_budget = "192MiB"

[metrics]
metrics_listen = "127.0.0.1:$metrics"

[log]
log_format = "json"
END

export FRAMEWAY_ADDRESS=https://localhost:$port FRAMEWAY_CA=ca.pem FRAMEWAY_API_KEY_FILE=admin.key
serve() {
  frameway serve --config frameway.toml >> server.log 2>&1 &
  server=$!
  until frameway health > health.txt 2>&1; do
    kill -0 "$server"
    sleep 0.05
  done
}
trap 'kill "$server" "$recorder" 2> /dev/null || true; kill "$redis" 2> /dev/null || true' EXIT
server='' recorder=''

redis
frameway config check --config frameway.toml
frameway doctor --config frameway.toml > doctor.txt
tail -n 1 doctor.txt
serve
cat health.txt

for camera in cams/*; do
  frameway streams register "${camera##*/}" --stall-timeout 10s
done
FRAMEWAY_API_KEY_FILE=recorder.key frameway subscribe 'cam-*' --from earliest --cursor-file recorder.json \
  --save recorded --lines > recorder.txt 2>&1 &
recorder=$!
FRAMEWAY_API_KEY_FILE=cameras.key frameway submit cams --fps 4 --repeat 8 --capture-time now --json \
  > submitted.json 2> submit.txt &
cameras=$!
recorded() { find recorded -name '*.jpg' 2> /dev/null | wc -l; }
wait_for() { until [ "$(recorded)" -ge "$1" ]; do sleep 0.05; done; }

# SIGTERM drains: the server finishes what it has, and ends with 0.
wait_for 20
kill -TERM "$server"
wait "$server"
echo "drained"
serve

# A crash, and an outage of Redis.
wait_for 50
kill -KILL "$server"
wait "$server" 2> /dev/null || true
serve
wait_for 80
kill -TERM "$redis"
wait "$redis"
redis

wait "$cameras"
# A frame that was stored when the answer got lost counts as a duplicate when it is sent again.
frames=$(jq '.accepted + .duplicates' submitted.json)
[ "$frames" = $(($(find cams -type f | wc -l) * 8)) ]
wait_for "$frames"
kill -INT "$recorder"
wait "$recorder"
tail -n 1 recorder.txt

# Metrics for Prometheus, without credentials, on a port of their own.
curl -sf "http://127.0.0.1:$metrics/metrics" > metrics.txt
grep '^frameway_store_frames_total\|^frameway_queue_frames' metrics.txt
kill -TERM "$server"
wait "$server"
echo "all $(recorded) of $frames frames are recorded, through a drain, a crash and an outage of Redis"
