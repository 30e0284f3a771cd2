# atft on a CUDA machine. Not tried: no machine with a container engine and a GPU was at hand.
#
#   docker build -t atft .
#   docker run --rm -it --gpus all -u "$(id -u):$(id -g)" -e HOME=/home/atft \
#       -v "$PWD:/work" -v atft-home:/home/atft atft atft-tui --data-path panel.parquet
#
# The engine goes on only for as long as the container: start it with `-d` (or in tmux on the host)
# for a night of compute, and look with `docker exec -it NAME atft-tui output/hpo_short`.

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
COPY configs configs
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /wheels

FROM python:3.12-slim
# gcc: torch.compile builds its kernels with it. The driver's libraries come from the host.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev procps tmux \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
COPY constraints.txt /
RUN pip install --no-cache-dir -c /constraints.txt "$(ls /wheels/*.whl)[baselines,report]" \
    && rm -r /wheels
RUN mkdir -m 0777 /home/atft
ENV HOME=/home/atft NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /work
CMD ["atft", "doctor"]
