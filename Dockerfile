# syntax=docker/dockerfile:1
#
# Frameway's image: the program on a slim Debian, as an unprivileged user.
#
#   docker build -t frameway .
#   docker run --rm -p 7400:7400 frameway                 the embedded queue; frames live as long as the container
#   docker compose up                                     with Redis: see docker-compose.yml
#
# Tried: the command lines below, which `make compose` holds against the program. Not yet tried: the build itself;
# no container engine was at hand when this was written.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake nasm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches live with the builder, not in the image; the program is copied out of the cached folder.
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

# Exec form: the program is process 1 and gets SIGTERM itself, on which it drains (up to 30 s; give it that time:
# docker stop --time 40). It waits for the worker processes that it starts, so no init is needed for reaping.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["frameway", "health", "--address", "http://127.0.0.1:7400"]
ENTRYPOINT ["frameway"]
CMD ["serve", "--listen", "0.0.0.0:7400"]
