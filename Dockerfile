# The image holds Python, the sidecar and the libraries that they load: no shell and no package manager.
# docs/image.md says how to build and run it. Any Debian image with Python 3.11 or later, venv and pip can be its base.
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /build
COPY deploy/image/ image/
# pip stays outside of what it fills; every file that it installs is one whose hash was written down.
RUN python3 -m venv --without-pip /opt/venv \
    && python3 -m venv --without-pip tools \
    && python3 -m pip --python /opt/venv/bin/python install \
        --no-cache-dir --no-compile --only-binary :all: --require-hashes -r image/requirements.txt \
    && python3 -m pip --python tools/bin/python install \
        --no-cache-dir --no-compile --only-binary :all: --require-hashes -r image/build-requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar/ sidecar/
RUN tools/bin/python -m hatchling build -t wheel -d wheel \
    && python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index --no-deps wheel/*.whl \
    && python3 -m pip --python /opt/venv/bin/python check \
    && mkdir root empty \
    && python3 image/gather.py /opt/venv root

FROM scratch
COPY --from=build /build/root/ /
# The two directories that are the sidecar's own; those above them are there already, and root's.
COPY --from=build --chown=65532:65532 /build/empty/ /var/lib/learning/
COPY --from=build --chown=65532:65532 /build/empty/ /run/learning/
ENV PATH=/opt/venv/bin \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    LEARNING_ADDRESS=unix:/run/learning/sidecar.sock \
    LEARNING_DATA_DIR=/var/lib/learning
USER 65532:65532
WORKDIR /var/lib/learning
VOLUME /var/lib/learning
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/opt/venv/bin/learning-sidecar", "health"]
ENTRYPOINT ["/opt/venv/bin/learning-sidecar"]
CMD ["serve"]

ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="learning-sidecar" \
    org.opencontainers.image.description="Learns which model, prompt, retrieval setting or tool plan to use, within declared budgets." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
