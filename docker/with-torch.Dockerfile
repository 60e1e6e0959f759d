# Only to compare sizes: the app image with sentence-transformers and torch in the place of ONNX Runtime. docker/image-report builds it.
ARG APP=steadfast-app:latest
# What else is done to it: `slim` takes out of torch's packages what docker/slim takes out of ours.
ARG SLIM=
FROM ${APP} AS app

FROM python:3.11-slim-bookworm AS torch
ARG SLIM
WORKDIR /
COPY --from=app / /image
COPY docker/slim docker/
RUN rm -rf /image/dev /image/proc /image/sys /image/opt/venv/lib/python3.11/site-packages/onnxruntime* \
    && mv /image/opt/venv /opt/venv
RUN pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile torch==2.13.0 \
    && pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile sentence-transformers~=6.2 \
    && rm -r /opt/venv/lib/python3.11/site-packages/torch/testing/_internal/py312_intrinsics.py \
    && python -m compileall -q -j 0 /opt/venv/lib
RUN if [ -n "$SLIM" ]; then docker/slim /dev/null /opt/venv/lib/python3.11/site-packages; fi \
    && mv /opt/venv /image/opt/venv

FROM scratch
COPY --from=torch /image /
