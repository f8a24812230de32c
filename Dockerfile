# One image, any of the commands, as a user without privileges:
#   scripts/build-image, or docker build -t clearml-lean .
#   docker run --init -p 8008:8008 -p 8080:8080 -p 8081:8081 -v clearml:/data clearml-lean
#   docker run --init -e CLEARML_API_HOST=... clearml-lean clearml-agent daemon --queue default --foreground
# The base needs Python >= 3.11 with venv; git is installed where it is missing.
ARG BASE_IMAGE=python:3.12-slim

FROM ${BASE_IMAGE} AS build
# scripts/build-image gives these: what is installed, and from where.
ARG PACKAGE=.[all]
ARG PIP_ARGS=
# So that scripts/build-image can remove what is left of this stage.
LABEL clearml.stage=build
COPY . /src
WORKDIR /src
RUN python3 -m venv /opt/clearml \
    && /opt/clearml/bin/pip install --no-cache-dir --disable-pip-version-check ${PIP_ARGS} "${PACKAGE}" \
    && /opt/clearml/bin/pip uninstall --yes --quiet pip setuptools \
    && find /opt/clearml -depth -type d \( -name tests -o -name test -o -name __pycache__ \) -exec rm -rf {} + \
    && cp packaging/healthcheck.py packaging/with-credentials /opt/clearml/bin/ && chmod 755 /opt/clearml/bin/with-credentials

FROM ${BASE_IMAGE}
# git: the agent checks tasks' code out.
RUN if ! command -v git >/dev/null; then \
        apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*; fi \
    && useradd --create-home --uid 1000 clearml && install -d -o clearml -g clearml /data
COPY --from=build /opt/clearml /opt/clearml
ENV PATH=/opt/clearml/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CLEARML_AGENT_HOME=/data/agent
USER clearml
WORKDIR /home/clearml
VOLUME /data
EXPOSE 8008 8080 8081
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["/opt/clearml/bin/python", "/opt/clearml/bin/healthcheck.py"]
# Inside a container the ports are published on purpose, so it binds every address.
CMD ["clearml-server", "--host", "0.0.0.0", "--data-dir", "/data/server", "--ready-file", "/data/server/ready.json"]
