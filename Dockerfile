# Portero with Node beside it, for upstreams that are started with npx.
# docker build -t portero . && docker run -p 127.0.0.1:8443:8443 -v portero:/app/data --env-file .env portero

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/portero
COPY requirements.lock .
RUN /opt/portero/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY portero portero
COPY projections projections
COPY handlers handlers
COPY config config
RUN /opt/portero/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM node:20-bookworm-slim AS node

FROM python:3.11-slim-bookworm
COPY --from=node /usr/local/bin/node /usr/local/bin/
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && useradd --create-home --uid 10001 portero \
 && mkdir -p /app/data /app/archive && chown -R portero /app && chmod 0700 /app/data /app/archive
COPY --from=build /opt/portero /opt/portero
COPY ops/healthcheck.py /opt/portero/healthcheck.py

# The gateway finds config/ and data/ in its working directory; without a config/ it uses the defaults inside the package.
WORKDIR /app
USER 10001
ENV PATH=/opt/portero/bin:$PATH HOST=0.0.0.0 PORT=8443
VOLUME /app/data
EXPOSE 8443
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["python", "/opt/portero/healthcheck.py"]
# SIGTERM lets calls in flight finish.
STOPSIGNAL SIGTERM
ENTRYPOINT ["portero"]
CMD ["serve"]
