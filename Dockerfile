# syntax=docker/dockerfile:1
#
# The image of Frameway: the program on a slim Debian, as an unprivileged user.
#
#   docker build -t frameway .
#   docker run --rm -p 7400:7400 frameway                 the embedded queue; frames live as long as the container
#   docker compose up                                     with Redis: see docker-compose.yml
#
# Tested: that the program accepts the command lines below (tests/cli/compose.rs). Not yet tested: the build itself,
# because no container engine was available.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake nasm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches belong to the builder and are not in the image. The program is copied out of the cached folder.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin frameway \
 && cp target/release/frameway /usr/local/bin/frameway

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin frameway
COPY --from=build /usr/local/bin/frameway /usr/local/bin/frameway
COPY LICENSE /usr/share/doc/frameway/LICENSE
USER 10001
EXPOSE 7400

# In exec form the program is process 1 and receives SIGTERM itself. It then drains for up to 30 s; give it that time
# with `docker stop --time 40`. It waits for the worker processes that it starts, so the image needs no init.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["frameway", "health", "--address", "http://127.0.0.1:7400"]
ENTRYPOINT ["frameway"]
# Refuses to start until it has TLS and an access file (docs/security.md), or --insecure. With --insecure, publish the
# port on this machine only: `docker run -p 127.0.0.1:7400:7400 frameway serve --listen 0.0.0.0:7400 --insecure`.
CMD ["serve", "--listen", "0.0.0.0:7400"]
