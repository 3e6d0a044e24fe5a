# syntax=docker/dockerfile:1

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --package rollcall \
    && cp target/dist/rollcall /usr/local/bin/rollcall \
    && mkdir /state

# Debian 12, as the build: the same C library, no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /usr/local/bin/rollcall /usr/local/bin/rollcall
# A new volume takes its owner from here.
COPY --from=build --chown=nonroot:nonroot /state /var/lib/rollcall
ENV ROLLCALL__SERVER__LISTEN=0.0.0.0:10002 \
    ROLLCALL__SERVER__DATA_DIR=/var/lib/rollcall \
    ROLLCALL_LOG_FORMAT=json
USER nonroot
VOLUME /var/lib/rollcall
EXPOSE 10002
STOPSIGNAL SIGTERM
# Draining and failing commits count as unhealthy too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/rollcall", "health", "--url", "http://127.0.0.1:10002"]
ENTRYPOINT ["/usr/local/bin/rollcall"]
CMD ["serve"]
