# Stands in for the image of PostgreSQL: Debian's package, with the variables of that image.
FROM debian:bookworm-slim
RUN mkdir -p /etc/postgresql-common/createcluster.d \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/none.conf \
    && apt-get update && apt-get install --yes --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/postgresql/*/bin /usr/local/postgresql
ENV PATH=/usr/local/postgresql:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
COPY start.sh /usr/local/bin/
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/usr/local/bin/start.sh"]
CMD ["postgres"]
