# syntax=docker/dockerfile:1
#
# The image of Frameway: the program on a slim Debian, as an unprivileged user.
#
#   docker build -t frameway .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:7400:7400 frameway serve --listen 0.0.0.0:7400 --insecure
#   docker compose up                                     with Redis: see docker-compose.yml
#
# docs/deploy.md has more. `make containers` builds the last stage and runs it, where buildah and podman are installed.

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
 && mkdir /out \
 && cp target/release/frameway /out/frameway

# Not distroless: a shell and coreutils help whoever has to look into a running container, and this base receives the
# security updates of Debian.
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="frameway" \
      org.opencontainers.image.description="A gRPC service that carries camera frames" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# `docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD)`
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin frameway
# The certificate authorities for a Redis over TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE /usr/share/doc/frameway/LICENSE
COPY --from=build /out/frameway /usr/local/bin/frameway
# A number, so that Kubernetes can tell that it is not root. The program writes nothing but /tmp, so the root file
# system can be read-only with a tmpfs there.
USER 10001
EXPOSE 7400

# In exec form the program is process 1 and receives SIGTERM itself. It then drains for up to 20 s; give it that time
# with `docker stop --time 40`. It waits for the worker processes that it starts, so the image needs no init.
STOPSIGNAL SIGTERM
# With TLS, set FRAMEWAY_ADDRESS=https://NAME:7400 and FRAMEWAY_CA for this check, where NAME is in the certificate and
# resolves to the container (`--add-host NAME:127.0.0.1`).
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["frameway", "health", "--timeout", "2s"]
ENTRYPOINT ["frameway"]
# Refuses to start until it has TLS and an access file (docs/security.md), or --insecure. With --insecure, publish the
# port on this machine only, as above.
CMD ["serve", "--listen", "0.0.0.0:7400"]
