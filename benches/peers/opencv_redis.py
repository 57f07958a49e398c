"""What a team writes by hand: OpenCV for the pictures, redis-py for the queue.

    opencv_redis.py codec FOLDER SECONDS           one thread, without a queue
    opencv_redis.py pipeline FOLDER SECONDS URL    a publisher, two workers and a reader

Both decode, measure sharpness and light, make a thumbnail and encode at quality 85. The result is a
JSON object on one line. The exit code is 3 if a package is missing.
"""

import json
import multiprocessing
import os
import pathlib
import resource
import sys
import time

try:
    import cv2
    import numpy
    import redis
except ImportError as error:
    print(f"{error.name} is not installed: pip install opencv-python-headless redis", file=sys.stderr)
    sys.exit(3)

WORKERS = 2
IN_FLIGHT = 32
WARM_UP_SECONDS = 1.0


def process(data):
    """Returns the processed picture, the thumbnail and the measures."""
    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(gray, (640, 640 * gray.shape[0] // gray.shape[1]), interpolation=cv2.INTER_AREA)
    measures = {
        "sharpness": float(cv2.Laplacian(small, cv2.CV_64F).var()),
        "light": float(small.mean()),
        "contrast": float(small.std()),
    }
    side = max(picture.shape[:2])
    size = (128 * picture.shape[1] // side, 128 * picture.shape[0] // side)
    thumbnail = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    return cv2.imencode(".jpg", picture, quality)[1].tobytes(), cv2.imencode(".jpg", thumbnail)[1].tobytes(), measures


def cpu_seconds(who=resource.RUSAGE_SELF):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def codec(pictures, seconds):
    process(pictures[0])
    frames, size, start, cpu = 0, 0, time.monotonic(), cpu_seconds()
    while time.monotonic() < start + seconds:
        size += len(process(pictures[frames % len(pictures)])[0])
        frames += 1
    elapsed = time.monotonic() - start
    return {"fps": frames / elapsed, "cpu_ms_per_frame": 1e3 * (cpu_seconds() - cpu) / frames, "bytes": size // frames}


def publish(url, key, pictures, room):
    connection = redis.Redis.from_url(url)
    number = 0
    while room.acquire():
        connection.xadd(key + ":in", {"data": pictures[number % len(pictures)]})
        number += 1


def work(url, key, name):
    cv2.setNumThreads(1)
    connection = redis.Redis.from_url(url)
    while True:
        found = connection.xreadgroup("workers", name, {key + ":in": ">"}, count=1, block=1000)
        for entry, fields in found[0][1] if found else []:
            picture, thumbnail, measures = process(fields[b"data"])
            pipe = connection.pipeline(transaction=False)
            pipe.xadd(key + ":out", {"data": picture, "thumbnail": thumbnail, "measures": json.dumps(measures)})
            pipe.xack(key + ":in", "workers", entry)
            pipe.xdel(key + ":in", entry)
            pipe.execute()


def pipeline(pictures, seconds, url):
    key = f"bench-peer-{os.getpid()}"
    connection = redis.Redis.from_url(url)
    connection.xgroup_create(key + ":in", "workers", mkstream=True)
    room = multiprocessing.Semaphore(IN_FLIGHT)
    children = [multiprocessing.Process(target=publish, args=(url, key, pictures, room))]
    children += [multiprocessing.Process(target=work, args=(url, key, f"worker-{n}")) for n in range(WORKERS)]
    for child in children:
        child.start()

    def cpu():
        ticks = os.sysconf("SC_CLK_TCK")
        stats = [pathlib.Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split() for child in children]
        own = sum((int(stat[11]) + int(stat[12])) / ticks for stat in stats)
        server = connection.info("cpu")
        return own + cpu_seconds() + server["used_cpu_user"] + server["used_cpu_sys"]

    frames, last, start, used = 0, "0", None, 0.0
    begin = time.monotonic()
    try:
        while start is None or time.monotonic() < start + seconds:
            found = connection.xread({key + ":out": last}, count=16, block=1000)
            entries = found[0][1] if found else []
            if start is None and entries and time.monotonic() > begin + WARM_UP_SECONDS:
                start, used, frames = time.monotonic(), cpu(), 0
            elif not entries and time.monotonic() > begin + 30 + seconds:
                raise SystemExit("no frame arrived")
            else:
                frames += len(entries)
            for entry, _ in entries:
                last = entry
                connection.xdel(key + ":out", entry)
                room.release()
        elapsed, used = time.monotonic() - start, cpu() - used
    finally:
        for child in children:
            child.kill()
            child.join()
        connection.delete(key + ":in", key + ":out")
    return {"fps": frames / elapsed, "cpu_ms_per_frame": 1e3 * used / max(frames, 1)}


def main():
    mode, folder, seconds = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
    cv2.setNumThreads(1)
    pictures = [path.read_bytes() for path in sorted(folder.iterdir())]
    print(json.dumps(codec(pictures, seconds) if mode == "codec" else pipeline(pictures, seconds, sys.argv[4])))


if __name__ == "__main__":
    main()
