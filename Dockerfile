# humorscope with everything that it needs, from the two set-up commands of the README.
#
#   docker build -t humorscope .
#   docker run --rm -v "$PWD/out:/out" humorscope --headless --out /out
#
# There is no display inside: fits are rendered off-screen, by the processor.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git python3 python3-venv libgl1 libglib2.0-0 libegl1 libgl1-mesa-dri libx11-6 libxcursor1 libxi6 libxinerama1 libxkbcommon-x11-0 libxrandr2 xauth xdotool xvfb
WORKDIR /humorscope
COPY . .
RUN python3 -m venv .venv && .venv/bin/pip install -q -c requirements.lock -e .
ENTRYPOINT [".venv/bin/python", "run_viewer.py"]
CMD ["--headless", "--out", "/out"]
