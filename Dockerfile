# The server and an agent in one image:
#   docker build -t clearml-lean . && docker run -p 8008:8008 -p 8080:8080 -p 8081:8081 -v clearml:/data clearml-lean
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY packaging packaging
COPY control_plane control_plane
COPY clearml_agent clearml_agent
COPY clearml_sdk clearml_sdk
RUN pip install --no-cache-dir --prefix=/installed '.[all]'

FROM python:3.12-slim
# git: the agent checks tasks' code out.
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 clearml && install -d -o clearml /data
COPY --from=build /installed /usr/local
USER clearml
VOLUME /data
EXPOSE 8008 8080 8081
# Inside a container the ports are published on purpose, so it binds every address.
CMD ["clearml-server", "--host", "0.0.0.0", "--data-dir", "/data"]
