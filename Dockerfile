# Omniwatch as a container image: docker build -t omniwatch .  (or buildah bud, podman build). compose.yaml beside it runs it with a broker,
# Prometheus and Grafana. Debian 12 as base, because that is what the project is tested on; the lock's wheels are for its Python 3.11.
#
#   --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu     a torch without CUDA: some GB less, for boxes without an NVIDIA card
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
# PyAudio has no wheels: it is compiled here, and the compiler stays behind. Versions are Debian's to say: bookworm's security updates are wanted.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv python3-dev gcc portaudio19-dev ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
ARG TORCH_INDEX=
COPY requirements-torch.txt requirements.lock ./
# torch as its machine needs it; all else by the hashes of the lock.
RUN python3 -m venv /opt/omniwatch \
  && PIP_EXTRA_INDEX_URL="${TORCH_INDEX}" /opt/omniwatch/bin/pip install -qq --no-cache-dir -r requirements-torch.txt \
  && /opt/omniwatch/bin/pip install -qq --no-cache-dir --use-pep517 --no-deps --require-hashes -r requirements.lock
COPY . .
RUN /opt/omniwatch/bin/pip install -qq --no-cache-dir --no-deps . \
  && /opt/omniwatch/bin/pip check \
  && cp -R configs /opt/omniwatch/configs

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 libportaudio2 espeak-ng alsa-utils ca-certificates tzdata \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 omniwatch \
  && useradd --uid 10001 --gid omniwatch --groups audio,video --no-create-home --home-dir /var/lib/omniwatch --shell /usr/sbin/nologin omniwatch \
  && install -d -o omniwatch -g omniwatch -m 0700 /var/lib/omniwatch /run/omniwatch
COPY --from=build /opt/omniwatch /opt/omniwatch
# The control socket and the newest minutes of each sensor lie in the runtime folder, `!secret NAME` is the file NAME in the other one.
ENV PATH=/opt/omniwatch/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    RUNTIME_DIRECTORY=/run/omniwatch \
    CREDENTIALS_DIRECTORY=/run/secrets \
    OMNIWATCH_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/omniwatch
VOLUME ["/var/lib/omniwatch"]
STOPSIGNAL SIGTERM
# It answers on its control socket. A judge that loads, or a camera that is away, is no reason to call the box ill: those are alarms.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["omniwatch", "status", "--config", "/etc/omniwatch/appliance.yaml"]
ENTRYPOINT ["omniwatch"]
CMD ["run", "/etc/omniwatch/appliance.yaml"]
