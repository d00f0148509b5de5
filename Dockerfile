# The image of `usher serve`: one static binary and the usual certificate authorities, nothing else.
#
#   docker build -t usher .                                                       from source
#   docker build -t usher --build-context binary=DIR .                            from DIR/usher, made elsewhere
#
# DIR holds a static `usher` and a `ca-certificates.crt`; tests/image builds the last stage that way, offline.

ARG RUST_IMAGE=rust:1.95-bookworm

FROM ${RUST_IMAGE} AS binary
WORKDIR /source
COPY . .
# Linked statically, glibc included; its resolver reads /etc/hosts and asks DNS without any file beside the binary.
# `--target` keeps the flag away from procedural macros, which have to be shared libraries.
# The embedded provider of `usher dev` stays out of what is run for others; tests/image and deploy/sbom say these features too.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    target="$(rustc --print host-tuple)" \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
        --no-default-features --features cli,otlp,cluster \
    && cp "target/$target/release/usher" /usher \
    && cp /etc/ssl/certs/ca-certificates.crt /ca-certificates.crt

FROM scratch AS runtime
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Usher" \
      org.opencontainers.image.description="Lets third-party AI agents into your MCP server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=binary /ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=binary /usher /usher
# In a container, loopback is of no use to anybody; the server asks for USHER_SERVER_PUBLIC_URL then.
ENV USHER_SERVER_LISTEN=0.0.0.0:3001 \
    USHER_SERVER_ADMIN_LISTEN=0.0.0.0:9090 \
    USHER_LOG_FORMAT=json
# 3001 for clients; 9090 for probes and metrics, which is not to be published.
EXPOSE 3001 9090
# A number, since there is no /etc/passwd; Kubernetes' runAsNonRoot needs one too.
USER 65532:65532
ENTRYPOINT ["/usher"]
CMD ["serve"]
