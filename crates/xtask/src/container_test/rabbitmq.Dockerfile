# Stands in for the image of RabbitMQ: Debian's package, with the variables of that image.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends rabbitmq-server && rm -rf /var/lib/apt/lists/*
COPY start.sh /usr/local/bin/
ENTRYPOINT ["sh", "/usr/local/bin/start.sh"]
