#!/usr/bin/env bash
# Drives a running server as a stranger would, with grpcurl and reflection alone: no proto file, no code of ours.
#
#   scripts/test-grpcurl.sh HOST:PORT        plaintext
set -euo pipefail

address=${1:?usage: scripts/test-grpcurl.sh HOST:PORT}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
service=frameway.v1.StreamingService
registry=frameway.v1.StreamRegistryService
stream=grpcurl-$$-$RANDOM
passed=0

# A 48 x 32 JPEG.
jpeg=/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAgQEBMQExYWFhYWFhoYGhsbGxoaGhobGxsdHR0iIiIdHR0bGx0dICAiIiUmJSMjIiMmJigoKDAwLi44ODpFRVP/xABTAAEBAQAAAAAAAAAAAAAAAAAEAwcBAQEBAQEBAAAAAAAAAAAAAAIBAAQDBRABAQAAAAAAAAAAAAAAAAAAAgARAQEAAAAAAAAAAAAAAAAAAAAB/8AAEQgAIAAwAwESAAISAAMSAP/aAAwDAQACEQMRAD8AzoGaDdAV4KsDNBiFUlwZgNKFVVwZgMaFUlwZoNKCqsDNBiFUmVgzQb6lByEuDMBjQrEuDMBpQqkuDNBjQrEuDMBpQUlwZgMaDE//2Q==

fail() {
  printf 'FAILED %s\n%s\n' "$1" "${answer:-}" >&2
  exit 1
}
# `answer` keeps the words with all white space squeezed out, so that a check need not know the layout.
squeeze() { tr -d '[:space:]'; }
says() { # says WHAT TEXT: the last answer has TEXT in it
  case $(squeeze <<<"$answer") in
    *"$2"*) passed=$((passed + 1)) && echo "ok     $1" ;;
    *) fail "$1: no $2 in the answer" ;;
  esac
}
refuses() { # refuses WHAT METHOD JSON: the call must fail; `answer` is what grpcurl says then
  if answer=$("$here/grpcurl.sh" -plaintext -max-time 20 -format-error -d "$3" "$address" "$2" 2>&1); then fail "$1: it succeeded"; fi
}
call() { # call METHOD JSON: `answer` is what comes back; a status that is not OK fails
  answer=$("$here/grpcurl.sh" -plaintext -max-time 20 -d "$2" "$address" "$1" 2>&1) || fail "$1"
}

"$here/grpcurl.sh" --version >/dev/null 2>&1 || exec "$here/grpcurl.sh" --version # which says why it is skipped

answer=$("$here/grpcurl.sh" -plaintext "$address" list 2>&1) || fail "list"
says "list has the data plane" "$service"
says "list has the registry" "$registry"
says "list has the consumer groups" "frameway.v1.ConsumerGroupService"
says "list has the dead letters" "frameway.v1.DeadLetterService"
says "list has the work queues" "frameway.v1.QueueService"
says "list has the operators' counters, which are beta" "frameway.admin.v1beta1.AdminService"
says "list has health" "grpc.health.v1.Health"

answer=$("$here/grpcurl.sh" -plaintext "$address" describe "$service" 2>&1) || fail "describe"
says "describe knows SubmitFrameBatch" "rpcSubmitFrameBatch(.frameway.v1.SubmitFrameBatchRequest)returns(.frameway.v1.SubmitFrameBatchResponse)"
says "describe knows SubscribeFrames" "rpcSubscribeFrames(.frameway.v1.SubscribeFramesRequest)returns(stream.frameway.v1.SubscribeFramesResponse)"
says "and that it changes nothing" "optionidempotency_level=NO_SIDE_EFFECTS"

call grpc.health.v1.Health/Check '{}'
says "health is SERVING" '"status":"SERVING"'

call "$registry/RegisterStream" "{\"stream\": {\"stream_id\": \"$stream\", \"display_name\": \"grpcurl\"}}"
says "a stream is registered" "\"streamId\":\"$stream\""
call "$registry/RegisterStream" "{\"stream\": {\"stream_id\": \"$stream\", \"display_name\": \"grpcurl\"}}"
says "and registered again with equal settings" "\"streamId\":\"$stream\""
refuses "the same stream with other settings" "$registry/RegisterStream" "{\"stream\": {\"stream_id\": \"$stream\"}}"
says "which says why" '"reason":"ERROR_REASON_ALREADY_EXISTS"'

call "$service/SubmitFrameBatch" "{\"frames\": [
  {\"stream_id\": \"$stream\", \"publisher_id\": \"grpcurl\", \"publisher_sequence\": 1, \"data\": \"$jpeg\"},
  {\"stream_id\": \"not a stream id\", \"data\": \"$jpeg\"}]}"
says "the frame is accepted as number 1" '"accepted":{"sequence":"1"'
says "its neighbour with a bad stream id is rejected" '"rejected":{'

call "$service/SubmitFrameBatch" "{\"frames\": [
  {\"stream_id\": \"$stream\", \"publisher_id\": \"grpcurl\", \"publisher_sequence\": 1, \"data\": \"$jpeg\"}]}"
says "the same frame again is a duplicate" '"duplicate":{"sequence":"1"}'

call "$service/SubscribeFrames" "{\"stop_after_frames\": 1, \"selectors\": [{
  \"streams\": [{\"id\": \"$stream\"}], \"start\": {\"earliest\": {}},
  \"pictures\": {\"roles\": [\"PICTURE_ROLE_PROCESSED\", \"PICTURE_ROLE_THUMBNAIL\"]}}]}"
says "the subscriber gets the frame" "\"frame\":{\"frame\":{\"streamId\":\"$stream\",\"sequence\":\"1\""
says "with the processed picture" '"role":"PICTURE_ROLE_PROCESSED","format":"PICTURE_FORMAT_JPEG","width":48,"height":32'
says "and its bytes" '"data":"/9j/'
says "and the thumbnail" '"role":"PICTURE_ROLE_THUMBNAIL"'
says "and a cursor" '"cursor":"'

refuses "an unknown stream" "$registry/GetStream" '{"stream_id": "not-registered"}'
says "the details of an error are shown by reflection" '"reason":"ERROR_REASON_STREAM_NOT_FOUND"'
says "with the facts" '"metadata":{"stream_id":"not-registered"}'

call "$service/GetServerInfo" '{}'
says "the server names its API" '"apiVersion":"frameway.v1"'
says "and its durability" '"durability":"DURABILITY_'
limits=$("$here/check-limits.py" <<<"$answer" 2>&1) || { answer=$limits; fail "the limits are those of docs/limits.md"; }
passed=$((passed + 1)) && echo "ok     $limits"

call frameway.admin.v1beta1.AdminService/GetSystemMetrics '{}'
says "the operators' counters come" '"collectTime":"'

call "$registry/UnregisterStream" "{\"stream_id\": \"$stream\"}"
echo "grpcurl: $passed checks held against $address"
