# Stands in for the image with Rust.
FROM debian:bookworm-slim
COPY order-service inventory-service account-service /ready/
COPY cargo /usr/local/bin/cargo
