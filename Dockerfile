# One image for every role: `baton server` unless told otherwise. docs/how-to/deploy.md says how it is run.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/source/target,sharing=locked \
    cargo build --release --locked --package baton-server \
    && install -D --mode=755 target/release/baton /image/usr/local/bin/baton \
    && install -d --mode=750 --owner=65532 --group=65532 /image/var/lib/baton

# The C library, certificates and a user that is not root; no shell and no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image /
WORKDIR /var/lib/baton
# Within a container only the container's own address can be published. There is no authentication: publish it to
# 127.0.0.1, or behind something that has one.
ENV BATON_LISTEN=0.0.0.0:8080 BATON_LOG_FORMAT=json
EXPOSE 8080
USER 65532:65532
# Asks BATON_SERVER_URL, which is this container's own port unless it is set: an executor asks the server it works for.
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/local/bin/baton", "health"]
ENTRYPOINT ["/usr/local/bin/baton"]
CMD ["server"]
